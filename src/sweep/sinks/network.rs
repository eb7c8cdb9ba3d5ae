//! The network of a built-in run as a graph for TensorBoard, from arithmetic alone: one node for each layer.
//!
//! Called by the sink of the run folders. Points in the names of torchvision's modules make groups.

use crate::{
    model::{Activation, Architecture, Layer, LayerKind},
    run::RunSpec,
    spec::Experiment,
    tfevents::GraphNode,
};

/// The graph of a run's network; empty for a program of the user's.
pub(super) fn graph(run: &RunSpec, experiment: &Experiment) -> Vec<GraphNode> {
    let Some(dataset) = &experiment.dataset else { return Vec::new() };
    let Ok(Some(network)) = Architecture::from_parameters(run.family, &run.parameters) else {
        return Vec::new();
    };
    let classes = u32::try_from(dataset.classes.len()).unwrap_or(u32::MAX);
    let layers = network.layers(dataset.image_size, classes).unwrap_or_default();
    let side = u64::from(dataset.image_size);
    nodes(&layers, &[network.input_channels().into(), side, side])
}

fn nodes(layers: &[Layer], input: &[u64]) -> Vec<GraphNode> {
    let mut nodes = vec![GraphNode {
        name: "images".to_owned(),
        op: "Placeholder".to_owned(),
        inputs: Vec::new(),
        attributes: vec![("output".to_owned(), shape(input))],
    }];
    let mut current = nodes[0].name.clone();
    // Of the block that a layer belongs to: its name, what comes into it, and the end of its shortcut.
    let mut block = (String::new(), current.clone(), None::<String>);
    for layer in layers {
        let of = block_of(&layer.name);
        if of != block.0 {
            block = (of.to_owned(), current.clone(), None);
        }
        let name = layer.name.replace('.', "/");
        let is_shortcut = layer.name.contains(".downsample");
        let inputs = match layer.kind {
            LayerKind::Add => vec![current.clone(), block.2.take().unwrap_or_else(|| block.1.clone())],
            _ if is_shortcut => vec![block.2.clone().unwrap_or_else(|| block.1.clone())],
            _ => vec![current.clone()],
        };
        let mut attributes = vec![
            ("output".to_owned(), shape(&layer.output_shape)),
            ("parameters".to_owned(), layer.parameters.to_string()),
            ("flops".to_owned(), layer.flops.to_string()),
        ];
        if layer.activation != Activation::None {
            attributes.push(("activation".to_owned(), layer.activation.to_string()));
        }
        if is_shortcut {
            block.2 = Some(name.clone());
        } else {
            current.clone_from(&name);
        }
        nodes.push(GraphNode { name, op: layer.kind.to_string(), inputs, attributes });
    }
    nodes
}

/// `layer1.0` of `layer1.0.conv1`; nothing outside of a block.
fn block_of(name: &str) -> &str {
    let in_block = name.starts_with("layer").then(|| name.match_indices('.').nth(1)).flatten();
    in_block.map_or("", |(at, _)| &name[..at])
}

fn shape(of: &[u64]) -> String {
    of.iter().map(u64::to_string).collect::<Vec<_>>().join("x")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GridCnn, Resnet};

    fn check(nodes: &[GraphNode]) {
        for (place, node) in nodes.iter().enumerate() {
            let known = |input: &String| nodes[..place].iter().any(|other| other.name == *input);
            assert!(node.inputs.iter().all(known), "{node:?}");
            assert!(nodes[..place].iter().all(|other| other.name != node.name), "{node:?}");
        }
    }

    #[test]
    fn a_grid_cnn_is_a_chain() {
        let network = Architecture::from(GridCnn { conv_layers: 2, dense_layers: 1, layer_size: 8 });
        let nodes = nodes(&network.layers(32, 2).unwrap(), &[1, 32, 32]);
        check(&nodes);
        let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
        assert_eq!(names[..3], ["images", "conv2d_1", "max_pooling2d_1"]);
        assert!(nodes[1..].iter().zip(&nodes).all(|(node, before)| node.inputs == [before.name.clone()]));
    }

    #[test]
    fn a_residual_sum_has_the_shortcut_or_what_came_into_its_block() {
        let network = Architecture::Resnet(Resnet::Resnet18);
        let nodes = nodes(&network.layers(64, 2).unwrap(), &[3, 64, 64]);
        check(&nodes);
        let sums: Vec<&GraphNode> = nodes.iter().filter(|node| node.inputs.len() == 2).collect();
        assert_eq!(sums.len(), 8);
        let shortcuts = sums.iter().filter(|sum| sum.inputs[1].contains("downsample")).count();
        assert_eq!(shortcuts, 3, "{sums:?}");
    }
}
