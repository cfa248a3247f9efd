//! Reads the settings of one instance, its own before the component's, and collects a refusal
//! for each that is not what it should be.

use std::{collections::BTreeMap, ops::RangeInclusive};

use quorate_model::{ComponentSpec, InstanceSpec, Refusal, SettingValue, codes};

/// The settings of one instance, being read.
pub(crate) struct SettingReader<'a> {
    component: &'a ComponentSpec,
    instance: &'a InstanceSpec,
    refusals: Vec<Refusal>,
}

impl<'a> SettingReader<'a> {
    pub(crate) const fn new(component: &'a ComponentSpec, instance: &'a InstanceSpec) -> Self {
        Self { component, instance, refusals: Vec::new() }
    }

    /// The raw value, when it is set and not null.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a SettingValue> {
        self.component.setting(self.instance, key).filter(|value| !value.is_null())
    }

    /// Notes that a setting is not what it should be.
    pub(crate) fn refuse(&mut self, key: &str, problem: &str, hint: &str) {
        // A component's setting is read once for each instance; it is refused in the component's
        // name, so that the same refusal is made each time and told once.
        let owner = if self.instance.settings.contains_key(key) {
            format!("instance `{}`", self.instance.name)
        } else {
            format!("component `{}`", self.component.name)
        };
        self.refusals.push(
            Refusal::new(
                codes::SPECIFICATION_INVALID,
                format!("setting `{key}` of {owner} is refused"),
            )
            .cause(problem)
            .hint(hint),
        );
    }

    fn wrong_kind(&mut self, key: &str, value: &SettingValue, expected: &str) {
        let mut shown = value.to_string();
        if shown.chars().count() > 60 {
            shown = shown.chars().take(60).chain("…".chars()).collect();
        }
        self.refuse(key, &format!("it is {shown}"), &format!("it must be {expected}"));
    }

    /// A text.
    pub(crate) fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.raw(key)?;
        let text = value.as_str().filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong_kind(key, value, "a text that is not empty");
        }
        text
    }

    /// A whole number within bounds; `unit` follows the bounds in the words of a refusal.
    pub(crate) fn number(
        &mut self,
        key: &str,
        bounds: RangeInclusive<u64>,
        unit: &str,
    ) -> Option<u64> {
        let value = self.raw(key)?;
        let number = value.as_u64().filter(|number| bounds.contains(number));
        if number.is_none() {
            let expected =
                format!("a whole number from {} to {}{unit}", bounds.start(), bounds.end());
            self.wrong_kind(key, value, &expected);
        }
        number
    }

    /// A TCP port.
    pub(crate) fn port(&mut self, key: &str) -> Option<u16> {
        let value = self.raw(key)?;
        let port =
            value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0);
        if port.is_none() {
            self.wrong_kind(key, value, "a TCP port from 1 to 65535");
        }
        port
    }

    /// A list of texts with at least one entry.
    pub(crate) fn texts(&mut self, key: &str) -> Option<Vec<&'a str>> {
        let value = self.raw(key)?;
        let texts = as_texts(value);
        if texts.is_none() {
            self.wrong_kind(key, value, "a list of texts, the first one the program");
        }
        texts
    }

    /// Texts by name.
    pub(crate) fn text_map(&mut self, key: &str) -> Option<BTreeMap<&'a str, &'a str>> {
        let value = self.raw(key)?;
        let map = value.as_object().and_then(|object| {
            object.iter().map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
        });
        if map.is_none() {
            self.wrong_kind(key, value, "an object whose values are texts");
        }
        map
    }

    /// `settings` when nothing was refused, else every refusal.
    pub(crate) fn finish<T>(self, settings: Option<T>) -> Result<T, Vec<Refusal>> {
        match settings {
            Some(settings) if self.refusals.is_empty() => Ok(settings),
            _ => Err(self.refusals),
        }
    }
}

/// A list of texts, the first one not empty.
pub(crate) fn as_texts(value: &SettingValue) -> Option<Vec<&str>> {
    let texts: Vec<&str> =
        value.as_array()?.iter().map(SettingValue::as_str).collect::<Option<_>>()?;
    texts.first().is_some_and(|first| !first.is_empty()).then_some(texts)
}

/// A refusal for each setting, of the component or of an instance, that the pack does not have.
pub(crate) fn refuse_unknown(component: &ComponentSpec, known: &[&str]) -> Vec<Refusal> {
    let of_component =
        component.settings.keys().map(|key| (key, format!("component `{}`", component.name)));
    let of_instances = component.instances.iter().flat_map(|instance| {
        instance.settings.keys().map(|key| (key, format!("instance `{}`", instance.name)))
    });
    of_component
        .chain(of_instances)
        .filter(|(key, _)| !known.contains(&key.as_str()))
        .map(|(key, owner)| {
            Refusal::new(
                codes::SPECIFICATION_INVALID,
                format!("pack `{}` has no setting `{key}`, which {owner} has", component.pack),
            )
            .hint(format!("there are {}", known.join(", ")))
        })
        .collect()
}

/// A refusal for each port that two instances on the same place would share. `place` says where
/// an instance is, such as its node or its address; `ports` lists its settings and their values.
pub(crate) fn refuse_shared_ports<'a>(
    instances: impl IntoIterator<Item = (&'a InstanceSpec, String, Vec<(&'static str, u16)>)>,
) -> Vec<Refusal> {
    let mut taken: BTreeMap<(String, u16), (&InstanceSpec, &'static str)> = BTreeMap::new();
    let mut refusals = Vec::new();
    for (instance, place, ports) in instances {
        for (setting, port) in ports {
            let Some((other, other_setting)) =
                taken.insert((place.clone(), port), (instance, setting))
            else {
                continue;
            };
            let who = if other.name == instance.name {
                format!(
                    "settings `{other_setting}` and `{setting}` of instance `{}`",
                    instance.name
                )
            } else {
                format!("instances `{}` and `{}`", other.name, instance.name)
            };
            refusals.push(
                Refusal::new(
                    codes::SPECIFICATION_INVALID,
                    format!("{who} would share port {port} on {place}"),
                )
                .hint(format!("give instance `{}` another `{setting}`", instance.name)),
            );
        }
    }
    refusals
}

/// Adds the refusals that are not there yet, in order.
pub(crate) fn add_new(refusals: &mut Vec<Refusal>, more: Vec<Refusal>) {
    for refusal in more {
        if !refusals.contains(&refusal) {
            refusals.push(refusal);
        }
    }
}

/// One refusal of several: rendering tells one problem, `validate` tells them all.
pub(crate) fn first(refusals: Vec<Refusal>) -> Refusal {
    refusals
        .into_iter()
        .next()
        .unwrap_or_else(|| Refusal::new(codes::INTERNAL, "settings were refused without a reason"))
}
