//! `quorate setting set`.

use quorate_api::exit;
use quorate_model::SettingKey;
use serde_json::Value;

use crate::{commands::Session, ui::Outcome};

/// Set a setting
#[derive(Debug, clap::Args)]
pub(crate) struct SetArgs {
    /// Its key, such as `orders/quota`
    pub(crate) key: SettingKey,
    /// Its value: JSON, or else the text as it is
    #[arg(allow_hyphen_values = true)]
    pub(crate) value: String,
    /// Only while it has this revision; 0 while it does not exist
    #[arg(long, value_name = "REVISION")]
    pub(crate) if_match: Option<u64>,
}

pub(crate) async fn run(session: &Session, args: &SetArgs) -> Outcome {
    let value = value_of(&args.value);
    let client = session.client()?;
    let written = client.set_setting(args.key.as_str(), value, args.if_match).await?;
    let line = format!("{} is set, revision {}\n", written.key, written.revision);
    session.ui.show(&written, |_| line)?;
    Ok(exit::DONE)
}

fn value_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_json_or_else_text() {
        for (text, value) in [
            ("7", json!(7)),
            ("-7", json!(-7)),
            ("true", json!(true)),
            ("{\"a\":1}", json!({"a": 1})),
            ("\"7\"", json!("7")),
            ("a b", json!("a b")),
            ("", json!("")),
            ("{a", json!("{a")),
        ] {
            assert_eq!(value_of(text), value, "{text}");
        }
    }
}
