//! Pictures of pages, in target/browser/: for those who look, and of what failed.

use std::fs;
use std::path::PathBuf;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use micronet_tests::program::target;
use serde_json::{Value, json};

use crate::browser::Browser;

/// A picture of the whole page, also of what is below the edge of the window.
pub(crate) fn of(browser: &Browser, name: &str) {
    if let Err(error) = try_of(browser, name) {
        panic!("no picture {name}: {error}");
    }
}

/// Of a test that fails: the picture, and the page's text.
pub(crate) fn of_failure(browser: &Browser) {
    let test = thread::current().name().unwrap_or("test").replace("::", "-");
    match try_of(browser, &format!("failed-{test}")) {
        Ok(path) => eprintln!("---- a picture of the page: {}", path.display()),
        Err(error) => eprintln!("---- no picture of the page: {error}"),
    }
    if let Ok(Value::String(text)) = browser.try_script("return document.body.innerText", Vec::new()) {
        eprintln!("---- the page's text\n{text}");
    }
}

fn try_of(browser: &Browser, name: &str) -> Result<PathBuf, String> {
    let folder = target().join("browser");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let taken = browser.try_tools("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
    let taken = taken.map_err(|error| error.to_string())?;
    let picture =
        STANDARD.decode(taken["data"].as_str().unwrap_or_default()).map_err(|error| error.to_string())?;
    let path = folder.join(format!("{name}.png"));
    fs::write(&path, picture).map_err(|error| error.to_string())?;
    Ok(path)
}
