//! Things on a page, found as those find them who can't see it: by role and accessible name. They are looked for anew whenever
//! something is done with them, until it can be done.

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use micronet_tests::patience::until;
use serde_json::{Value, json};

use crate::page::Page;

/// Keys, as WebDriver writes them.
const CONTROL: &str = "\u{E009}";
const DELETE: &str = "\u{E017}";

/// Where something is to be found: within what, and by which role and name.
#[derive(Clone)]
pub(crate) struct Locator<'page> {
    page: &'page Page,
    steps: Vec<Step>,
}

#[derive(Clone)]
struct Step {
    role: &'static str,
    name: String,
}

/// What was found: its place in the DOM, and what the accessibility tree says of it.
struct Found {
    node: u64,
    name: String,
    entry: Value,
}

impl<'page> Locator<'page> {
    pub(crate) fn new(page: &'page Page, role: &'static str, name: &str) -> Self {
        Self { page, steps: vec![Step { role, name: name.to_owned() }] }
    }

    /// Something within this.
    pub(crate) fn at(&self, role: &'static str, name: &str) -> Self {
        let mut within = self.clone();
        within.steps.push(Step { role, name: name.to_owned() });
        within
    }

    /// Clicks it.
    #[track_caller]
    pub(crate) fn click(&self) {
        self.act("be clicked", |element| self.page.browser.run(element.click()));
    }

    /// Types this instead of what is in a field.
    #[track_caller]
    pub(crate) fn fill(&self, text: &str) {
        // Clearing by WebDriver would tell the page of no input.
        let all = format!("{CONTROL}a{CONTROL}");
        let typed = if text.is_empty() { DELETE } else { text };
        self.act("take text", |element| {
            self.page.browser.run(async {
                element.send_keys(&all).await?;
                element.send_keys(typed).await
            })
        });
    }

    /// Chooses what has this label from a list.
    #[track_caller]
    pub(crate) fn choose(&self, label: &str) {
        self.act("be chosen from", |element| self.page.browser.run(element.select_by_label(label)));
    }

    /// What it shows, as text.
    #[track_caller]
    pub(crate) fn text(&self) -> String {
        self.act("be read", |element| self.page.browser.run(element.text()))
    }

    /// A property of it, as `value`.
    #[track_caller]
    pub(crate) fn property(&self, name: &str) -> String {
        self.act("be read", |element| self.page.browser.run(element.prop(name))).unwrap_or_default()
    }

    /// What a script makes of it: the body of a function with the element as `arguments[0]`.
    #[track_caller]
    pub(crate) fn script(&self, body: &str) -> Value {
        self.act("be looked at", |element| {
            let element = serde_json::to_value(element).expect("an element is JSON");
            self.page.browser.try_script(body, vec![element])
        })
    }

    /// Waits until it is there.
    #[track_caller]
    pub(crate) fn wait(&self) {
        until(&format!("{self}"), || self.only().map(drop));
    }

    /// Waits until nothing like it is there.
    #[track_caller]
    pub(crate) fn gone(&self) {
        until(&format!("no {self}"), || match self.found()?.as_slice() {
            [] => Ok(()),
            found => Err(names(found)),
        });
    }

    /// Waits until it shows these words, also as what it is called or described by.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        until(&format!("{self} to show {words:?}"), || {
            let found = self.only()?;
            let said = format!(
                "{}\n{}",
                found.name,
                found.entry["description"]["value"].as_str().unwrap_or_default()
            );
            let text = self.try_act(|element| self.page.browser.run(element.text()))?;
            let shown = format!("{said}\n{text}");
            if shown.contains(words) { Ok(()) } else { Err(shown) }
        });
    }

    /// The names of all that is like it now.
    #[track_caller]
    pub(crate) fn all(&self) -> Vec<String> {
        let found = until(&format!("the page, to look for {self}"), || self.found());
        found.into_iter().map(|each| each.name).collect()
    }

    /// Whether it is in a state now: `disabled`, `checked`, `expanded`, `selected`, `pressed`, `focused`.
    #[track_caller]
    pub(crate) fn is(&self, state: &str) -> bool {
        let found = until(&format!("{self}"), || self.only());
        let states = found.entry["properties"].as_array().cloned().unwrap_or_default();
        let is_it = |each: &&Value| each["name"] == state;
        let value = states.iter().find(is_it).map_or(&Value::Null, |each| &each["value"]["value"]);
        *value == true || *value == "true"
    }

    #[track_caller]
    fn act<T>(&self, what: &str, act: impl Fn(Element) -> Result<T, CmdError>) -> T {
        until(&format!("{self} to {what}"), || self.try_act(&act))
    }

    fn try_act<T>(&self, act: impl Fn(Element) -> Result<T, CmdError>) -> Result<T, String> {
        let element = self.element(&self.only()?).map_err(|error| error.to_string())?;
        act(element).map_err(|error| error.to_string())
    }

    /// The only thing that is like it.
    fn only(&self) -> Result<Found, String> {
        let mut found = self.found()?;
        match found.len() {
            1 => Ok(found.remove(0)),
            0 => Err(format!("no such thing; instead: {}", self.others())),
            _ => Err(format!("several such things: {}", names(&found))),
        }
    }

    fn found(&self) -> Result<Vec<Found>, String> {
        let (last, outer) = self.steps.split_last().expect("a step");
        let mut within = self.page_root()?;
        for step in outer {
            let mut found = self.query(within, step.role, &step.name)?;
            match found.len() {
                1 => within = found.remove(0).node,
                0 => return Ok(Vec::new()),
                _ => return Err(format!("several of {} {:?}", step.role, step.name)),
            }
        }
        self.query(within, last.role, &last.name)
    }

    fn page_root(&self) -> Result<u64, String> {
        let answer = self.tools("DOM.getDocument", &json!({ "depth": 0 }))?;
        answer.pointer("/root/backendNodeId").and_then(Value::as_u64).ok_or_else(|| answer.to_string())
    }

    fn query(&self, within: u64, role: &str, name: &str) -> Result<Vec<Found>, String> {
        let answer =
            self.tools("Accessibility.queryAXTree", &json!({ "backendNodeId": within, "role": role }))?;
        let entries = answer["nodes"].as_array().cloned().unwrap_or_default();
        let shown = entries.into_iter().filter(|entry| entry["ignored"] != true);
        let all = shown.filter_map(|entry| {
            let name = entry.pointer("/name/value").and_then(Value::as_str).unwrap_or_default();
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            Some(Found { node: entry["backendDOMNodeId"].as_u64()?, name, entry })
        });
        Ok(all.filter(|found| is_called(&found.name, name)).collect())
    }

    /// The names of what has the same role anywhere, for messages.
    fn others(&self) -> String {
        let role = self.steps.last().map_or("", |step| step.role);
        self.page_root()
            .and_then(|root| self.query(root, role, ""))
            .map_or_else(|error| error, |all| names(&all))
    }

    /// What WebDriver knows as this node.
    fn element(&self, found: &Found) -> Result<Element, String> {
        let object = self.tools("DOM.resolveNode", &json!({ "backendNodeId": found.node }))?;
        let keep = json!({
            "objectId": object.pointer("/object/objectId"),
            "functionDeclaration": "function() { globalThis.micronetFound = this; }",
        });
        self.tools("Runtime.callFunctionOn", &keep)?;
        let take = "const found = globalThis.micronetFound; delete globalThis.micronetFound; return found;";
        let returned = self.page.browser.try_script(take, Vec::new()).map_err(|error| error.to_string())?;
        self.page.browser.element(&returned).ok_or_else(|| format!("no element: {returned}"))
    }

    fn tools(&self, command: &str, parameters: &Value) -> Result<Value, String> {
        self.page.browser.try_tools(command, parameters).map_err(|error| error.to_string())
    }
}

impl std::fmt::Display for Locator<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, step) in self.steps.iter().rev().enumerate() {
            let within = if number == 0 { "" } else { " in " };
            write!(out, "{within}{} {:?}", step.role, step.name)?;
        }
        Ok(())
    }
}

fn names(found: &[Found]) -> String {
    found.iter().map(|each| format!("{:?}", each.name)).collect::<Vec<_>>().join(", ")
}

fn is_called(name: &str, wanted: &str) -> bool {
    match wanted.strip_suffix('…') {
        Some(beginning) => name.starts_with(beginning),
        None => wanted.is_empty() || name == wanted,
    }
}
