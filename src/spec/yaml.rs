//! YAML text to a tree of nodes that know where they were written: the only code that names the YAML crate.
//!
//! Built on the event parser below serde-saphyr rather than on its deserializer, because the validation behind it
//! wants what a deserializer hides: both of two equal keys with their places, the scalar as it was written, and a tree
//! that outlives the first mistake. Scalars follow the YAML 1.2 core schema (`yes` is text, `1e-3` is a number).
//! Aliases and merge keys are expanded here; what they may expand to, and how large and deep a text may be, is bounded.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};

use super::{
    problem::{Place, Problem},
    scalar::{Scalar, core_schema},
};

/// Largest text, bytes.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// Most nodes, those that aliases repeat included.
const MAX_NODES: usize = 200_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 32;

/// A piece of YAML and where it was written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) content: Content,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// The resolved scalar and its text as written, without quotes.
    Scalar(Scalar, String),
    /// A list.
    Sequence(Vec<Node>),
    /// A mapping in the order of the text; equal keys are kept.
    Mapping(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) value: Node,
}

impl Node {
    /// A text node, for what the command line puts into the tree.
    pub(super) fn text(place: Place, text: &str) -> Self {
        Self { place, content: Content::Scalar(Scalar::Text, text.to_owned()) }
    }

    /// True for `null`, `~` and nothing.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Scalar::Null, _))
    }

    /// Moves the node and all below it to `place`.
    pub(super) fn relocate(&mut self, place: &Place) {
        self.place = place.clone();
        match &mut self.content {
            Content::Scalar(..) => {}
            Content::Sequence(items) => items.iter_mut().for_each(|item| item.relocate(place)),
            Content::Mapping(entries) => {
                for entry in entries {
                    entry.place = place.clone();
                    entry.value.relocate(place);
                }
            }
        }
    }

    /// For "must be .., not ..": the scalar as written, or the kind of collection. Text that would be something else
    /// without its quotes is called text.
    pub(super) fn describe(&self) -> String {
        match &self.content {
            Content::Scalar(Scalar::Null, _) => "nothing".to_owned(),
            Content::Scalar(_, text) if text.is_empty() => "empty text".to_owned(),
            Content::Scalar(_, text) if text.chars().count() > 60 => {
                format!("`{}...`", text.chars().take(57).collect::<String>())
            }
            Content::Scalar(Scalar::Text, text) if core_schema(text) != Scalar::Text => {
                format!("the text `{text}`")
            }
            Content::Scalar(_, text) => format!("`{text}`"),
            Content::Sequence(_) => "a list".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
        }
    }
}

/// A subtree with what it costs to repeat it.
struct Built {
    node: Node,
    /// Nodes in it, itself included.
    size: usize,
    /// Levels in it; 1 for a scalar.
    depth: usize,
}

/// A collection whose end has not come yet.
struct Open {
    place: Place,
    anchor: usize,
    size: usize,
    depth: usize,
    kind: OpenKind,
}

enum OpenKind {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, merges: Vec<Node>, key: Option<(String, Place, bool)> },
}

/// Reads one document.
///
/// # Errors
/// The one problem that stops the reading: a syntax error, an unsupported YAML feature, or a bound.
pub(super) fn parse(text: &str) -> Result<Node, Problem> {
    if text.len() > MAX_BYTES {
        return Err(problem(start(), format!("the spec is larger than {MAX_BYTES} bytes")));
    }
    let options = {
        let mut options = Options::default();
        options.set_emit_comments(false);
        options
    };
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let message = error.info();
            // The parser's words for them are several.
            let tabs = if message.contains("tab") { "; indent with spaces: YAML takes no tabs" } else { "" };
            problem(at(error.marker().line(), error.marker().col()), format!("{message}{tabs}"))
        })?;
        builder.accept(event, &span)?;
    }
    builder.root.map(|built| built.node).ok_or_else(|| problem(start(), "the spec is empty"))
}

fn start() -> Place {
    Place::File { line: 1, column: 1 }
}

fn at(line: usize, column: usize) -> Place {
    Place::File { line: line.max(1), column: column + 1 }
}

fn problem(place: Place, message: impl Into<String>) -> Problem {
    Problem { place, message: message.into() }
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    root: Option<Built>,
    documents: usize,
    nodes: usize,
}

impl Builder {
    fn accept(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let place = at(span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    return Err(problem(place, "a spec is one document; found a second `---`"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = resolve(&text, style, tag.as_deref(), &place)?;
                let merge = style == ScalarStyle::Plain && text == "<<";
                self.charge(1, 1, &place)?;
                if self.expects_key() {
                    if anchor != 0 {
                        return Err(problem(place, "an anchor on a key is not supported"));
                    }
                    self.set_key(text.into_owned(), place, merge);
                } else {
                    let node = Node { place, content: Content::Scalar(scalar, text.into_owned()) };
                    self.finish(Built { node, size: 1, depth: 1 }, anchor)?;
                }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.begin(place, anchor, tag.as_deref(), "seq", OpenKind::Sequence(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                let kind = OpenKind::Mapping { entries: Vec::new(), merges: Vec::new(), key: None };
                self.begin(place, anchor, tag.as_deref(), "map", kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.end()?,
            Event::Alias(anchor) => self.alias(anchor, place)?,
            _ => {}
        }
        Ok(())
    }

    fn begin(
        &mut self,
        place: Place,
        anchor: usize,
        tag: Option<&Tag>,
        core: &str,
        kind: OpenKind,
    ) -> Result<(), Problem> {
        if let Some(tag) = tag.filter(|tag| tag.core_suffix() != Some(core)) {
            return Err(problem(place, format!("the tag `{}` is not supported here", tag.original())));
        }
        if self.expects_key() {
            return Err(problem(place, "a key must be plain text, not a list or a mapping"));
        }
        self.charge(1, 1, &place)?;
        self.open.push(Open { place, anchor, size: 1, depth: 1, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else { return Ok(()) };
        let content = match open.kind {
            OpenKind::Sequence(items) => Content::Sequence(items),
            OpenKind::Mapping { entries, merges, .. } => Content::Mapping(merged(entries, merges)?),
        };
        let node = Node { place: open.place, content };
        self.finish(Built { node, size: open.size, depth: open.depth }, open.anchor)
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Problem> {
        if self.expects_key() {
            return Err(problem(place, "a key must be plain text, not an alias"));
        }
        // The parser knows every name; what is not built yet is still open around the alias.
        let Some(target) = self.anchors.get(&anchor) else {
            return Err(problem(place, "the alias is inside the node that it repeats"));
        };
        // Paid before it is copied, so that a bomb costs nothing.
        let (size, depth) = (target.size, target.depth);
        self.charge(size, depth, &place)?;
        let node = self.anchors[&anchor].node.clone();
        self.finish(Built { node, size, depth }, 0)
    }

    /// Counts `size` nodes of `depth` levels against the bounds.
    fn charge(&mut self, size: usize, depth: usize, place: &Place) -> Result<(), Problem> {
        self.nodes += size;
        if self.nodes > MAX_NODES {
            let message = format!("the spec has more than {MAX_NODES} values once its aliases are expanded");
            return Err(problem(place.clone(), message));
        }
        if self.open.len() + depth > MAX_DEPTH {
            return Err(problem(place.clone(), format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: OpenKind::Mapping { key: None, .. }, .. }))
    }

    fn set_key(&mut self, text: String, place: Place, merge: bool) {
        if let Some(Open { kind: OpenKind::Mapping { key, .. }, .. }) = self.open.last_mut() {
            *key = Some((text, place, merge));
        }
    }

    /// Hands a whole node to the collection around it.
    fn finish(&mut self, built: Built, anchor: usize) -> Result<(), Problem> {
        if anchor != 0 {
            // The copy that aliases repeat is paid for like any other.
            self.charge(built.size, built.depth, &built.node.place)?;
            let copy = Built { node: built.node.clone(), size: built.size, depth: built.depth };
            self.anchors.insert(anchor, copy);
        }
        let Some(parent) = self.open.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        parent.size += built.size;
        parent.depth = parent.depth.max(built.depth + 1);
        match &mut parent.kind {
            OpenKind::Sequence(items) => items.push(built.node),
            OpenKind::Mapping { entries, merges, key } => match key.take() {
                Some((_, _, true)) => merges.push(built.node),
                Some((key, place, false)) => entries.push(Entry { key, place, value: built.node }),
                None => {}
            },
        }
        Ok(())
    }
}

/// The entries with those of the merged mappings behind them. A key of the mapping itself wins over a merged one, an
/// earlier merged mapping over a later one (<https://yaml.org/type/merge.html>).
fn merged(mut entries: Vec<Entry>, merges: Vec<Node>) -> Result<Vec<Entry>, Problem> {
    let mut sources = Vec::new();
    for node in merges {
        match node.content {
            Content::Sequence(items) => sources.extend(items),
            _ => sources.push(node),
        }
    }
    for source in sources {
        let Content::Mapping(source_entries) = source.content else {
            let message = "`<<` merges a mapping or a list of mappings";
            return Err(problem(source.place, message));
        };
        let taken: std::collections::HashSet<String> =
            entries.iter().map(|entry| entry.key.clone()).collect();
        entries.extend(source_entries.into_iter().filter(|entry| !taken.contains(&entry.key)));
    }
    Ok(entries)
}

/// The value of a scalar in the core schema, or as its tag demands.
fn resolve(text: &str, style: ScalarStyle, tag: Option<&Tag>, place: &Place) -> Result<Scalar, Problem> {
    let Some(tag) = tag else {
        return Ok(if style == ScalarStyle::Plain { core_schema(text) } else { Scalar::Text });
    };
    let scalar = core_schema(text);
    let fitting = match tag.core_suffix() {
        Some("str") => Some(Scalar::Text),
        Some("int") => matches!(scalar, Scalar::Int(_) | Scalar::HugeInt).then_some(scalar),
        Some("bool") => matches!(scalar, Scalar::Bool(_)).then_some(scalar),
        Some("null") => matches!(scalar, Scalar::Null).then_some(scalar),
        #[expect(clippy::cast_precision_loss, reason = "the tag asks for a float")]
        Some("float") => match scalar {
            Scalar::Int(value) => Some(Scalar::Float(value as f64)),
            Scalar::Float(_) => Some(scalar),
            _ => None,
        },
        _ if tag.original() == "!" => Some(Scalar::Text),
        _ => None,
    };
    fitting.ok_or_else(|| {
        problem(place.clone(), format!("the tag `{}` is not supported for `{text}`", tag.original()))
    })
}
