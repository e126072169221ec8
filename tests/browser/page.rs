//! A page of a network in a browser. When it is dropped, nothing may have gone wrong with it: no error in the console, no breach of
//! the content security policy, no request to anywhere else. Of a failed test it leaves a picture.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::thread;

use micronet_tests::patience::until;
use serde_json::json;

use crate::browser::Browser;
use crate::locator::Locator;
use crate::{noticed, picture};

/// A page, and the browser that shows it.
pub(crate) struct Page {
    pub(crate) browser: Browser,
    gateway: SocketAddr,
    expected: RefCell<Vec<&'static str>>,
}

impl Page {
    /// Opens a path at a gateway, in a browser of its own as wide as a desk's.
    #[track_caller]
    pub(crate) fn open(gateway: SocketAddr, path: &str) -> Self {
        let page = Self { browser: Browser::start(), gateway, expected: RefCell::default() };
        page.size(1440, 900);
        page.go(path);
        page
    }

    /// Goes to another path.
    #[track_caller]
    pub(crate) fn go(&self, path: &str) {
        self.browser.go(&format!("http://{}{path}", self.gateway));
    }

    /// Sets how large the page is seen, in CSS pixels.
    #[track_caller]
    pub(crate) fn size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.browser.tools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Says whether the user likes it `light` or `dark`.
    #[track_caller]
    pub(crate) fn theme(&self, theme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] });
        self.browser.tools("Emulation.setEmulatedMedia", &features);
    }

    /// Whatever has this role and this accessible name: `button`, `Sign in`. A name that ends in `…` only has to begin so; an empty one is any.
    pub(crate) fn at(&self, role: &'static str, name: &str) -> Locator<'_> {
        Locator::new(self, role, name)
    }

    /// Waits until the page shows these words anywhere.
    #[track_caller]
    pub(crate) fn shows(&self, words: &str) {
        until(&format!("the page to show {words:?}"), || {
            let text = self.text();
            if text.contains(words) { Ok(()) } else { Err(text) }
        });
    }

    /// What the page shows, as text.
    pub(crate) fn text(&self) -> String {
        self.browser
            .script("return document.body.innerText", Vec::new())
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Presses keys where the focus is, one after another, by their names: `Tab`, `Enter`, `Shift+Tab`, `a`.
    #[track_caller]
    pub(crate) fn press(&self, keys: &[&str]) {
        for key in keys {
            let (modifiers, name) = match key.strip_prefix("Shift+") {
                Some(name) => (8, name),
                None => (0, *key),
            };
            let (code, text) = match name {
                "Tab" => (9, ""),
                "Enter" => (13, "\r"),
                "Escape" => (27, ""),
                " " => (32, " "),
                "ArrowLeft" => (37, ""),
                "ArrowUp" => (38, ""),
                "ArrowRight" => (39, ""),
                "ArrowDown" => (40, ""),
                other => (0, other),
            };
            let event = |kind: &str| json!({ "type": kind, "key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": modifiers });
            let mut down = event("keyDown");
            if !text.is_empty() {
                down["text"] = json!(text);
            }
            self.browser.tools("Input.dispatchKeyEvent", &down);
            self.browser.tools("Input.dispatchKeyEvent", &event("keyUp"));
        }
    }

    /// Lets the browser's console tell, in these words, of what this test brings about: it does so of each answer that is no success.
    pub(crate) fn expect(&self, words: &'static str) {
        self.expected.borrow_mut().push(words);
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let wrongs = noticed::wrongs(&self.browser, &self.gateway.to_string(), &self.expected.borrow());
        if thread::panicking() {
            picture::of_failure(&self.browser);
            eprintln!("---- what the page did: {wrongs:#?}");
        } else {
            assert!(wrongs.is_empty(), "{wrongs:#?}");
        }
    }
}
