//! What one module says, read by `syn`: the names it has, the paths it mentions, its string literals.
//!
//! Nothing is resolved here; [`super::modules`] does that. Items under `#[cfg(test)]` are left out: unit
//! tests may look around. Inside of a macro's tokens, paths and literals are read as they stand.

use proc_macro2::{TokenStream, TokenTree};
use syn::{
    Attribute, ImplItem, Item, ItemMod, ItemUse, Lit, Macro, Meta, Path, UseTree, Visibility,
    visit::{self, Visit},
};

/// The first segment of a path that begins with `::`, which is a crate whatever the module has.
pub(super) const EXTERN: &str = "::";

/// A module, of a file or between braces.
#[derive(Default)]
pub(super) struct Module {
    /// What `lookup` may find: the item, or the path that a `use` stands for.
    pub(super) names: Vec<(String, Name)>,
    /// The paths of `use …::*`.
    pub(super) globs: Vec<Vec<String>>,
    /// Child modules; the text of one without braces is a file.
    pub(super) children: Vec<(String, Option<Module>)>,
    pub(super) mentions: Vec<Mention>,
    pub(super) literals: Vec<(usize, String)>,
}

/// What a name of a module is.
#[derive(Clone, PartialEq)]
pub(super) enum Name {
    Item,
    Use(Vec<String>),
}

/// A path that a module mentions.
pub(super) struct Mention {
    pub(super) line: usize,
    pub(super) path: Vec<String>,
    pub(super) way: Way,
}

/// How a path is mentioned.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Way {
    /// `use`, for the module itself.
    Use,
    /// `pub use`, which passes a name on and needs nothing itself.
    PassOn,
    /// In code.
    Code,
}

/// Reads the text of a file.
///
/// # Panics
///
/// If it is not Rust.
pub(super) fn module(path: &str, text: &str) -> Module {
    let file =
        syn::parse_file(text).unwrap_or_else(|error| panic!("{path}:{}: {error}", error.span().start().line));
    items(&file.items)
}

fn items(items: &[Item]) -> Module {
    let mut reader = Reader(Module::default());
    for item in items {
        reader.visit_item(item);
    }
    reader.0
}

struct Reader(Module);

impl Reader {
    fn name(&mut self, name: &syn::Ident) {
        self.0.names.push((name.to_string(), Name::Item));
    }

    fn mention(&mut self, line: usize, path: Vec<String>, way: Way) {
        self.0.mentions.push(Mention { line, path, way });
    }

    fn used(&mut self, tree: &UseTree, mut prefix: Vec<String>, way: Way) {
        match tree {
            UseTree::Path(path) => {
                prefix.push(path.ident.to_string());
                self.used(&path.tree, prefix, way);
            }
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.used(tree, prefix.clone(), way)),
            UseTree::Glob(glob) => {
                self.mention(glob.star_token.spans[0].start().line, prefix.clone(), way);
                self.0.globs.push(prefix);
            }
            UseTree::Name(name) => self.bound(name.ident.to_string(), &name.ident, prefix, way),
            UseTree::Rename(rename) => self.bound(rename.rename.to_string(), &rename.ident, prefix, way),
        }
    }

    /// `use prefix::ident as name`.
    fn bound(&mut self, name: String, ident: &syn::Ident, mut path: Vec<String>, way: Way) {
        let own = ident == "self" && !path.is_empty();
        let name = match (own, path.last()) {
            (true, Some(last)) if name == "self" => last.clone(),
            _ => name,
        };
        if !own {
            path.push(ident.to_string());
        }
        self.mention(ident.span().start().line, path.clone(), way);
        self.0.names.push((name, Name::Use(path)));
    }

    /// Paths and literals among tokens that `syn` leaves as they are.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let punct = |at: usize, letter: char| match tokens.get(at) {
            Some(TokenTree::Punct(found)) => found.as_char() == letter,
            _ => false,
        };
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal.clone()) {
                        self.literal(&text);
                    }
                }
                TokenTree::Ident(ident) => {
                    let line = ident.span().start().line;
                    // Neither a field nor a method, neither a lifetime nor the name of an argument.
                    let member = at > 0 && punct(at - 1, '.') && !(at > 1 && punct(at - 2, '.'));
                    let lifetime = at > 0 && punct(at - 1, '\'');
                    let mut path = vec![ident.to_string()];
                    if at > 1 && punct(at - 1, ':') && punct(at - 2, ':') {
                        path.insert(0, EXTERN.to_owned());
                    }
                    while punct(at + 1, ':')
                        && punct(at + 2, ':')
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    let argument = path.len() == 1 && punct(at + 1, '=') && !punct(at + 2, '=');
                    if !(member || lifetime || argument) {
                        self.mention(line, path, Way::Code);
                    }
                }
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    fn literal(&mut self, text: &syn::LitStr) {
        self.0.literals.push((text.span().start().line, text.value()));
    }
}

impl<'a> Visit<'a> for Reader {
    fn visit_item(&mut self, item: &'a Item) {
        if !only_in_tests(item_attributes(item)) {
            match item {
                Item::Const(item) => self.name(&item.ident),
                Item::Enum(item) => self.name(&item.ident),
                Item::Fn(item) => self.name(&item.sig.ident),
                Item::Static(item) => self.name(&item.ident),
                Item::Struct(item) => self.name(&item.ident),
                Item::Trait(item) => self.name(&item.ident),
                Item::Type(item) => self.name(&item.ident),
                Item::Union(item) => self.name(&item.ident),
                Item::Macro(item) => item.ident.iter().for_each(|ident| self.name(ident)),
                _ => {}
            }
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'a ImplItem) {
        let attributes = match item {
            ImplItem::Const(item) => &item.attrs[..],
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !only_in_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'a ItemMod) {
        let content = item.content.as_ref().map(|(_, content)| items(content));
        self.0.children.push((item.ident.to_string(), content));
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let way = if matches!(item.vis, Visibility::Inherited) { Way::Use } else { Way::PassOn };
        let prefix = item.leading_colon.iter().map(|_| EXTERN.to_owned()).collect();
        self.used(&item.tree, prefix, way);
    }

    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_attribute(&mut self, attribute: &'a Attribute) {
        if attribute.path().is_ident("doc") {
            return;
        }
        self.visit_path(attribute.path());
        match &attribute.meta {
            Meta::List(list) => self.tokens(list.tokens.clone()),
            Meta::NameValue(pair) => self.visit_expr(&pair.value),
            _ => {}
        }
    }

    fn visit_macro(&mut self, call: &'a Macro) {
        if let Some(ident) = call.path.get_ident() {
            self.mention(ident.span().start().line, vec![format!("{ident}!")], Way::Code);
        }
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }

    fn visit_path(&mut self, path: &'a Path) {
        let mut segments: Vec<String> = path.leading_colon.iter().map(|_| EXTERN.to_owned()).collect();
        segments.extend(path.segments.iter().map(|segment| segment.ident.to_string()));
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.mention(line, segments, Way::Code);
        visit::visit_path(self, path);
    }

    fn visit_lit_str(&mut self, text: &'a syn::LitStr) {
        self.literal(text);
    }

    fn visit_signature(&mut self, signature: &'a syn::Signature) {
        if let Some(token) = &signature.asyncness {
            self.mention(token.span.start().line, vec!["async".to_owned()], Way::Code);
        }
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'a syn::ExprAsync) {
        self.mention(block.async_token.span.start().line, vec!["async".to_owned()], Way::Code);
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_await(&mut self, wait: &'a syn::ExprAwait) {
        self.mention(wait.await_token.span.start().line, vec!["await".to_owned()], Way::Code);
        visit::visit_expr_await(self, wait);
    }
}

fn only_in_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) => {
            let condition = list.tokens.to_string();
            list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all (test"))
        }
        _ => false,
    })
}

fn item_attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
