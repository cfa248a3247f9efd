//! Reads the specification of a component from a file.

use std::{fs, io, path::Path};

use quorate_api::{exit, rest::ComponentSpecBody};
use quorate_model::{Refusal, codes};

use crate::ui::Failure;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Json,
    Toml,
    Yaml,
}

/// Reads a specification; `-` is stdin.
///
/// # Errors
/// When it cannot be read or is not a specification, with the place.
pub(super) fn read(file: &str) -> Result<ComponentSpecBody, Failure> {
    let by_name = encoding(file)?;
    let (name, text) = if file == "-" {
        ("stdin", io::read_to_string(io::stdin().lock()))
    } else {
        (file, fs::read_to_string(file))
    };
    let text = text.map_err(|error| {
        let message = format!("cannot read the specification from {name}");
        let refusal = Refusal::new(codes::FILE_ACCESS, message).cause(error.to_string());
        Failure::from(refusal).exiting(exit::USAGE)
    })?;
    parse(name, by_name.unwrap_or_else(|| looks_like(&text)), &text)
}

/// What the text looks like.
fn looks_like(text: &str) -> Encoding {
    if text.trim_start().starts_with('{') {
        Encoding::Json
    } else if toml::from_str::<toml::Table>(text).is_ok() {
        Encoding::Toml
    } else {
        Encoding::Yaml
    }
}

/// The encoding that the file's name says; stdin has no name.
fn encoding(file: &str) -> Result<Option<Encoding>, Failure> {
    if file == "-" {
        return Ok(None);
    }
    let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => Ok(Some(Encoding::Json)),
        Some("toml") => Ok(Some(Encoding::Toml)),
        Some("yaml" | "yml") => Ok(Some(Encoding::Yaml)),
        _ => Err(Failure::usage(
            format!("{file} is none of .toml, .yaml and .json"),
            "rename it, or give it on stdin: -f - < FILE",
        )),
    }
}

fn parse(name: &str, encoding: Encoding, text: &str) -> Result<ComponentSpecBody, Failure> {
    let parsed = match encoding {
        Encoding::Json => serde_json::from_str(text).map_err(|error| error.to_string()),
        Encoding::Toml => toml::from_str(text).map_err(|error| error.to_string()),
        Encoding::Yaml => serde_saphyr::from_str(text).map_err(|error| error.to_string()),
    };
    parsed.map_err(|reason| {
        Refusal::new(
            codes::SPECIFICATION_INVALID,
            format!("{name} is not the specification of a component"),
        )
        .cause(reason.trim_end().to_owned())
        .hint(
            "it has a `name`, a `pack` and `instances`, each with its `node`, such as\n\
             {\"name\":\"orders\",\"pack\":\"PACK\",\"instances\":[{\"node\":\"db-1\"}]}",
        )
        .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "name = \"orders\"\npack = \"etcd\"\n[settings]\nquota = 2\n\
        [[instances]]\nnode = \"db-1\"\n";
    const YAML: &str = "name: orders\npack: etcd\nsettings: {quota: 2}\ninstances:\n- node: db-1\n";
    const JSON: &str = "{\"name\":\"orders\",\"pack\":\"etcd\",\"settings\":{\"quota\":2},\
        \"instances\":[{\"node\":\"db-1\"}]}";

    #[test]
    fn the_three_encodings_say_the_same() {
        let as_json =
            |encoding, text| serde_json::to_value(parse("x", encoding, text).unwrap()).unwrap();
        let json = as_json(Encoding::Json, JSON);
        assert_eq!(json["settings"]["quota"], 2);
        assert_eq!(as_json(Encoding::Toml, TOML), json);
        assert_eq!(as_json(Encoding::Yaml, YAML), json);
    }

    #[test]
    fn stdin_is_recognised_by_its_text_and_a_file_by_its_name() {
        for (text, expected) in
            [(JSON, Encoding::Json), (TOML, Encoding::Toml), (YAML, Encoding::Yaml)]
        {
            assert_eq!(looks_like(text), expected);
        }
        assert_eq!(encoding("a.YML").unwrap(), Some(Encoding::Yaml));
        assert_eq!(encoding("a.txt").unwrap_err().exit, exit::USAGE);
    }

    #[test]
    fn a_wrong_field_is_named_with_its_place() {
        let text = JSON.replace("\"pack\"", "\"pak\"");
        let failure = parse("a.json", Encoding::Json, &text).unwrap_err();
        assert_eq!((failure.body.code, failure.exit), (codes::SPECIFICATION_INVALID, exit::USAGE));
        let cause = failure.body.cause.unwrap();
        assert!(cause.contains("`pak`") && cause.contains("column"), "{cause}");
    }
}
