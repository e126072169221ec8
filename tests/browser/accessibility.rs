//! What is to hold of every page: axe finds nothing serious, nothing is too wide, and nothing lies over something else, on a desk and on a
//! phone, light and dark.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use micronet_tests::program::target;
use serde_json::{Value, json};

use crate::page::Page;
use crate::picture;

/// Finds what is wrong with a layout.
const LAYOUT: &str = include_str!("layout.js");
/// The sizes at which pages are looked at: a phone's and a desk's.
const SIZES: [(u32, u32); 2] = [(390, 844), (1440, 900)];

/// Looks at the page as it is now at each size, in each theme; pictures are called `NAME-WIDTH-THEME`.
#[track_caller]
pub(crate) fn check(page: &Page, name: &str) {
    let mut wrongs = String::new();
    for (width, height) in SIZES {
        page.size(width, height);
        for theme in ["light", "dark"] {
            page.theme(theme);
            picture::of(&page.browser, &format!("{name}-{width}-{theme}"));
            // Colours are the same on a phone.
            let is_seen = width == 390 && theme == "dark";
            let found = if is_seen { Vec::new() } else { axe(page) };
            for wrong in layout(page).into_iter().chain(found) {
                let _ = writeln!(wrongs, "{name} at {width} px, {theme}: {wrong}");
            }
        }
    }
    page.theme("light");
    assert!(wrongs.is_empty(), "\n{wrongs}");
}

fn layout(page: &Page) -> Vec<String> {
    let wrongs = page.browser.script(LAYOUT, Vec::new());
    let wrongs = wrongs.as_array().unwrap_or_else(|| panic!("the layout's script returned {wrongs}"));
    wrongs.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What axe finds serious or critical.
fn axe(page: &Page) -> Vec<String> {
    if evaluate(page, "typeof axe").is_ok_and(|kind| kind != "object") {
        evaluate(page, axe_script()).unwrap_or_else(|error| panic!("axe doesn't load: {error}"));
    }
    let run = "axe.run(document, { resultTypes: ['violations'] }).then((found) => JSON.stringify(found.violations))";
    let found = evaluate(page, run).unwrap_or_else(|error| panic!("axe failed: {error}"));
    let found: Vec<Value> =
        serde_json::from_str(found.as_str().unwrap_or_default()).expect("axe returns JSON");
    let serious =
        found.iter().filter(|each| ["serious", "critical"].iter().any(|impact| each["impact"] == *impact));
    serious
        .map(|each| {
            let places = each["nodes"].as_array().cloned().unwrap_or_default();
            let place = |node: &Value| {
                format!("{} {}", node["target"], node["any"].pointer("/0/message").unwrap_or(&node["html"]))
            };
            let places: Vec<String> = places.iter().take(8).map(place).collect();
            format!("axe: {} ({}): {}", each["help"], each["id"], places.join("; "))
        })
        .collect()
}

/// Evaluates an expression, by the browser's tools: the page's content security policy doesn't concern them.
fn evaluate(page: &Page, expression: &str) -> Result<Value, String> {
    let asked = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
    let answer = page.browser.try_tools("Runtime.evaluate", &asked).map_err(|error| error.to_string())?;
    match answer.get("exceptionDetails") {
        Some(failed) => Err(failed.to_string()),
        None => Ok(answer.pointer("/result/value").cloned().unwrap_or_default()),
    }
}

/// axe-core's script, of the package that tests/requirements.txt names.
fn axe_script() -> &'static str {
    static SCRIPT: OnceLock<String> = OnceLock::new();
    SCRIPT.get_or_init(|| {
        let library = target().join("python/lib");
        let pythons = fs::read_dir(&library).unwrap_or_else(|error| {
            panic!(
                "{}: {error}: tests/run installs there what tests/requirements.txt names",
                library.display()
            )
        });
        let inside = |python: PathBuf| python.join("site-packages/axe_playwright_python/axe.min.js");
        let scripts = pythons.filter_map(|python| fs::read_to_string(inside(python.ok()?.path())).ok());
        scripts.last().unwrap_or_else(|| panic!("no axe.min.js in {}", library.display()))
    })
}
