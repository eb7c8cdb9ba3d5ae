//! A network as TensorBoard's tab Graphs shows it: a serialized `GraphDef` of nodes and their inputs.
//!
//! `tensorflow/core/framework/graph.proto` and `node_def.proto`. A slash in the name of a node puts it into a group that
//! unfolds. Used by the writer.

use std::collections::BTreeMap;

use prost::{Message, Oneof};

/// A layer or a value of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphNode {
    /// Its name, unique in the graph; slashes make groups.
    pub name: String,
    /// What it does: `Conv2D`, `MaxPool`.
    pub op: String,
    /// The nodes whose values it takes.
    pub inputs: Vec<String>,
    /// What else is worth a line beside it, by name.
    pub attributes: Vec<(String, String)>,
}

#[derive(Clone, PartialEq, Message)]
struct GraphDef {
    #[prost(message, repeated, tag = "1")]
    node: Vec<NodeDef>,
    #[prost(message, optional, tag = "4")]
    versions: Option<Versions>,
}

#[derive(Clone, PartialEq, Message)]
struct Versions {
    #[prost(int32, tag = "1")]
    producer: i32,
}

#[derive(Clone, PartialEq, Message)]
struct NodeDef {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    op: String,
    #[prost(string, repeated, tag = "3")]
    input: Vec<String>,
    #[prost(btree_map = "string, message", tag = "5")]
    attr: BTreeMap<String, AttrValue>,
}

#[derive(Clone, PartialEq, Message)]
struct AttrValue {
    #[prost(oneof = "Attr", tags = "2")]
    value: Option<Attr>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Attr {
    /// A text.
    #[prost(bytes, tag = "2")]
    S(Vec<u8>),
}

/// `GraphDef.versions.producer` of the writer that PyTorch has.
const PRODUCER: i32 = 22;

/// The bytes of an event's `graph_def`.
pub(super) fn encode(nodes: &[GraphNode]) -> Vec<u8> {
    let node = nodes
        .iter()
        .map(|node| NodeDef {
            name: node.name.clone(),
            op: node.op.clone(),
            input: node.inputs.clone(),
            attr: node
                .attributes
                .iter()
                .map(|(name, text)| {
                    (name.clone(), AttrValue { value: Some(Attr::S(text.clone().into_bytes())) })
                })
                .collect(),
        })
        .collect();
    GraphDef { node, versions: Some(Versions { producer: PRODUCER }) }.encode_to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_keep_their_order_and_their_inputs() {
        let node = |name: &str, inputs: &[&str]| GraphNode {
            name: name.to_owned(),
            op: "Conv2D".to_owned(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            attributes: vec![("output".to_owned(), "3x3".to_owned())],
        };
        let graph = GraphDef::decode(&encode(&[node("a", &[]), node("b/c", &["a"])])[..]).unwrap();
        assert_eq!(graph.node.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["a", "b/c"]);
        assert_eq!(graph.node[1].input, ["a"]);
        let Some(Attr::S(text)) = &graph.node[1].attr["output"].value else { panic!("{graph:?}") };
        assert_eq!(text, b"3x3");
    }
}
