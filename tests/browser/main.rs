//! The pages of a running network in a real Chromium, used as people use them: by what is shown, with mouse and keyboard.

mod accessibility;
mod bench;
mod browser;
mod dashboard;
mod docs;
mod driver;
mod locator;
mod noticed;
mod page;
mod picture;
