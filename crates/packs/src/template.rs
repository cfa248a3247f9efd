//! Texts with placeholders, such as `--listen={address}:{port}`, that a pack's settings may hold.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use quorate_model::{ComponentName, InstanceName, NodeId, Refusal, codes};

/// Every placeholder, in the order in which people are told of them.
const PLACEHOLDERS: [(&str, Placeholder); 6] = [
    ("instance", Placeholder::Instance),
    ("component", Placeholder::Component),
    ("address", Placeholder::Address),
    ("port", Placeholder::Port),
    ("folder", Placeholder::Folder),
    ("data", Placeholder::Data),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placeholder {
    Instance,
    Component,
    Address,
    Port,
    Folder,
    Data,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Value(Placeholder),
}

/// A text whose placeholders are known to exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

/// What stands for the placeholders of one instance.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    pub(crate) instance: InstanceName,
    pub(crate) component: ComponentName,
    pub(crate) address: String,
    /// Templates that use `{port}` are refused when the instance has none.
    pub(crate) port: Option<u16>,
    pub(crate) folder: PathBuf,
}

impl Values {
    /// The folder below the instance's own that `{data}` stands for.
    pub(crate) fn data(folder: &Path) -> PathBuf {
        folder.join("data")
    }
}

impl Template {
    /// Reads a text; the error says what is wrong with it, in words.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            let after = &rest[at + 1..];
            if let Some(after_second) = after.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after_second;
                continue;
            }
            let name = match (brace, after.find('}')) {
                ("{", Some(end)) => &after[..end],
                _ => {
                    return Err(format!(
                        "it holds a single `{brace}`; write `{brace}{brace}` for \
                                        the character itself"
                    ));
                }
            };
            let Some((_, placeholder)) = PLACEHOLDERS.iter().find(|(known, _)| *known == name)
            else {
                return Err(format!(
                    "there is no placeholder `{{{name}}}`; there are {}; write \
                                    `{{{{` for the character itself",
                    list_of_placeholders()
                ));
            };
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::Value(*placeholder));
            rest = &after[name.len() + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self { pieces })
    }

    /// Whether `{port}` stands in it.
    pub(crate) fn uses_port(&self) -> bool {
        self.pieces.contains(&Piece::Value(Placeholder::Port))
    }

    /// The text with the values in place.
    pub(crate) fn expand(&self, values: &Values) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Value(Placeholder::Instance) => text.push_str(values.instance.as_str()),
                Piece::Value(Placeholder::Component) => text.push_str(values.component.as_str()),
                Piece::Value(Placeholder::Address) => text.push_str(&values.address),
                Piece::Value(Placeholder::Port) => {
                    // Settings are refused when this is used without a port.
                    text.push_str(&values.port.unwrap_or_default().to_string());
                }
                Piece::Value(Placeholder::Folder) => {
                    text.push_str(&values.folder.to_string_lossy());
                }
                Piece::Value(Placeholder::Data) => {
                    text.push_str(&Values::data(&values.folder).to_string_lossy());
                }
            }
        }
        text
    }
}

fn list_of_placeholders() -> String {
    let names: Vec<String> = PLACEHOLDERS.iter().map(|(name, _)| format!("{{{name}}}")).collect();
    names.join(", ")
}

/// The address of the node that carries an instance.
pub(crate) fn address_of(
    addresses: &BTreeMap<NodeId, String>,
    node: NodeId,
    instance: &InstanceName,
) -> Result<String, Refusal> {
    addresses.get(&node).cloned().ok_or_else(|| {
        Refusal::new(
            codes::SPECIFICATION_INVALID,
            format!("no address is known of node {node}, which carries instance `{instance}`"),
        )
        .hint("see whether the node still exists: quorate node list")
    })
}

/// `host:port` as it stands in a URL: an IPv6 address in brackets.
pub(crate) struct HostPort<'a>(pub(crate) &'a str, pub(crate) u16);

impl fmt::Display for HostPort<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(':') {
            write!(f, "[{}]:{}", self.0, self.1)
        } else {
            write!(f, "{}:{}", self.0, self.1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        Values {
            instance: InstanceName::new("web-1").unwrap(),
            component: ComponentName::new("web").unwrap(),
            address: "10.0.0.7".to_owned(),
            port: Some(8080),
            folder: PathBuf::from("/srv/web-1"),
        }
    }

    #[test]
    fn placeholders_are_replaced_and_doubled_braces_are_braces() {
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("{address}:{port}", "10.0.0.7:8080"),
            ("{instance} of {component}", "web-1 of web"),
            ("{folder}/x {data}", "/srv/web-1/x /srv/web-1/data"),
            ("{{port}} {{{port}}}", "{port} {8080}"),
            ("f() {{ :; }}; ä{port}ö", "f() { :; }; ä8080ö"),
        ];
        for (text, expected) in table {
            assert_eq!(Template::parse(text).unwrap().expand(&values()), expected, "{text}");
        }
    }

    #[test]
    fn an_unknown_placeholder_or_a_single_brace_is_refused_in_words() {
        let table = [
            ("{hostname}", "there is no placeholder `{hostname}`; there are {instance}, "),
            ("{}", "there is no placeholder `{}`"),
            ("a { b", "it holds a single `{`; write `{{`"),
            ("a } b", "it holds a single `}`; write `}}`"),
        ];
        for (text, words) in table {
            let error = Template::parse(text).unwrap_err();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn an_ipv6_address_stands_in_brackets() {
        assert_eq!(HostPort("::1", 2379).to_string(), "[::1]:2379");
        assert_eq!(HostPort("db-1", 2379).to_string(), "db-1:2379");
    }
}
