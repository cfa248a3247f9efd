//! What a person may set for an instance of the process pack.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use quorate_model::{ComponentSpec, InstanceSpec, Refusal, SettingValue};
use quorate_pack::StopSignal;
use quorate_probe::ProbeSpec;

use crate::{
    setting_reader::{SettingReader, as_texts},
    template::{Template, Values},
};

/// Every setting, in the order in which people are told of them.
pub(super) const KNOWN: &[&str] = &[
    "command",
    "env",
    "working_dir",
    "port",
    "readiness",
    "readiness_timeout_ms",
    "stop_signal",
    "stop_grace_ms",
];

const READINESS_TIMEOUT_MS: u64 = 2_000;
/// A probe returns within ten seconds.
const READINESS_TIMEOUT_MS_MAX: u64 = 9_000;
const STOP_GRACE_MS: u64 = 10_000;
const STOP_GRACE_MS_MAX: u64 = 3_600_000;

const READINESS_FORMS: &str = "it must be \"http://host:port/path\", \"tcp://host:port\" or \
                               {\"exec\": [\"program\", \"argument\"]}";

/// The settings of one instance, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    /// The program and its arguments.
    pub(super) command: Vec<Template>,
    /// The environment besides what every instance inherits.
    pub(super) env: BTreeMap<String, Template>,
    /// The working folder; the instance's own when absent.
    pub(super) working_dir: Option<Template>,
    /// The port it listens on.
    pub(super) port: Option<u16>,
    /// How to ask whether it serves.
    pub(super) readiness: Option<Readiness>,
    /// How long the answer may take.
    pub(super) readiness_timeout: Duration,
    /// How it is asked to stop.
    pub(super) stop_signal: StopSignal,
    /// How long stopping may take, in milliseconds.
    pub(super) stop_grace_ms: u64,
}

/// How to ask whether an instance serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Readiness {
    /// A probe's URL.
    Url(Template),
    /// A command whose exit code 0 means yes.
    Exec(Vec<Template>),
}

impl Settings {
    /// Reads the settings of one instance.
    pub(super) fn read(
        component: &ComponentSpec,
        instance: &InstanceSpec,
    ) -> Result<Self, Vec<Refusal>> {
        let mut reader = SettingReader::new(component, instance);
        let port = reader.port("port");
        let mut texts = Texts { reader: &mut reader, has_port: port.is_some() };

        let command = texts.command();
        let env = texts.env();
        let working_dir = texts.working_dir(component, instance, port);
        let readiness = texts.readiness(component, instance, port);

        let readiness_timeout_ms = reader
            .number("readiness_timeout_ms", 1..=READINESS_TIMEOUT_MS_MAX, " milliseconds")
            .unwrap_or(READINESS_TIMEOUT_MS);
        let stop_grace_ms = reader
            .number("stop_grace_ms", 0..=STOP_GRACE_MS_MAX, " milliseconds")
            .unwrap_or(STOP_GRACE_MS);
        let stop_signal = read_stop_signal(&mut reader);
        reader.finish(command.map(|command| Self {
            command,
            env,
            working_dir,
            port,
            readiness,
            readiness_timeout: Duration::from_millis(readiness_timeout_ms),
            stop_signal,
            stop_grace_ms,
        }))
    }
}

fn read_stop_signal(reader: &mut SettingReader<'_>) -> StopSignal {
    match reader.text("stop_signal") {
        None | Some("TERM") => StopSignal::Term,
        Some("INT") => StopSignal::Int,
        Some("QUIT") => StopSignal::Quit,
        Some(other) => {
            let problem = format!("it is \"{other}\"");
            reader.refuse("stop_signal", &problem, "it must be \"TERM\", \"INT\" or \"QUIT\"");
            StopSignal::Term
        }
    }
}

/// Reads the settings that may hold placeholders.
struct Texts<'r, 'a> {
    reader: &'r mut SettingReader<'a>,
    has_port: bool,
}

impl<'a> Texts<'_, 'a> {
    fn template(&mut self, key: &str, text: &str) -> Option<Template> {
        match Template::parse(text) {
            Ok(template) if template.uses_port() && !self.has_port => {
                self.reader.refuse(key, "it uses {port}, and no `port` is set", "set `port`");
                None
            }
            Ok(template) => Some(template),
            Err(problem) => {
                let hint = "mend the placeholder, or double the brace to mean the character";
                self.reader.refuse(key, &problem, hint);
                None
            }
        }
    }

    fn templates(&mut self, key: &str, texts: &[&str]) -> Option<Vec<Template>> {
        let templates: Vec<Option<Template>> =
            texts.iter().map(|text| self.template(key, text)).collect();
        templates.into_iter().collect()
    }

    fn command(&mut self) -> Option<Vec<Template>> {
        if self.reader.raw("command").is_none() {
            let hint = "set it to the program and its arguments, such as [\"sleep\", \"60\"]";
            self.reader.refuse("command", "it is required and absent", hint);
            return None;
        }
        let texts = self.reader.texts("command")?;
        self.templates("command", &texts)
    }

    fn env(&mut self) -> BTreeMap<String, Template> {
        let mut env = BTreeMap::new();
        for (name, value) in self.reader.text_map("env").unwrap_or_default() {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let problem = format!(
                    "`{name}` cannot be the name of a variable, or its value \
                                       cannot be one"
                );
                let hint = "a name is not empty and holds no `=`; neither holds a NUL";
                self.reader.refuse("env", &problem, hint);
            } else if let Some(template) = self.template("env", value) {
                env.insert(name.to_owned(), template);
            }
        }
        env
    }

    fn working_dir(
        &mut self,
        component: &ComponentSpec,
        instance: &InstanceSpec,
        port: Option<u16>,
    ) -> Option<Template> {
        let text = self.reader.text("working_dir")?;
        let template = self.template("working_dir", text)?;
        if !template.expand(&sample_values(component, instance, port)).starts_with('/') {
            let hint = "write a path that begins with `/` or with {folder}";
            self.reader.refuse("working_dir", &format!("`{text}` is not absolute"), hint);
        }
        Some(template)
    }

    fn readiness(
        &mut self,
        component: &ComponentSpec,
        instance: &InstanceSpec,
        port: Option<u16>,
    ) -> Option<Readiness> {
        let value = self.reader.raw("readiness")?;
        if let Some(text) = value.as_str() {
            let template = self.template("readiness", text)?;
            // Placeholders stand for texts that no URL depends on, so that a sample shows
            // whether it is one.
            let sample = template.expand(&sample_values(component, instance, port));
            if let Err(error) = sample.parse::<ProbeSpec>() {
                self.reader.refuse("readiness", &error.to_string(), READINESS_FORMS);
            }
            return Some(Readiness::Url(template));
        }
        let Some(texts) = exec_of(value) else {
            self.reader.refuse("readiness", &format!("it is {value}"), READINESS_FORMS);
            return None;
        };
        self.templates("readiness", &texts).map(Readiness::Exec)
    }
}

fn exec_of(value: &SettingValue) -> Option<Vec<&str>> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    as_texts(object.get("exec")?)
}

fn sample_values(component: &ComponentSpec, instance: &InstanceSpec, port: Option<u16>) -> Values {
    Values {
        instance: instance.name.clone(),
        component: component.name.clone(),
        address: "192.0.2.1".to_owned(),
        port,
        folder: PathBuf::from("/sample"),
    }
}
