//! The control service's own port, for those who have signed in.

use micronet_tests::patience::until;
use serde_json::{Value, json};

use super::{Browser, network};

#[test]
fn control_believes_those_who_have_signed_in() {
    const PROCESSES: &str = "GET /api/v1/control/processes";
    let network = network(&[]);
    let mut browser = Browser::at(network.gateway());
    let (manager, viewer) = (browser.manager(), browser.sign_in("client@demo.example", "client-demo"));
    let mut control = Browser::at(network.address("control-1"));
    until("control to have heard of auth", || {
        let answer = control.ask(Some(&manager.access), PROCESSES, &Value::Null);
        if answer.status() == 200 { Ok(()) } else { Err(answer.shown()) }
    });
    control.ask(Some(&viewer.access), PROCESSES, &Value::Null).check(200);
    control.ask(Some("nonsense"), PROCESSES, &Value::Null).check(401);
    control.ask(None, PROCESSES, &Value::Null).check(401);
    let block = "POST /api/v1/control/processes/product-1/restart";
    control.ask(Some(&viewer.access), block, &json!({})).check(403);
    browser.ask(Some(&manager.access), "POST /auth/logout", &json!({})).check(200);
    until("control to have heard of it", || {
        let answer = control.ask(Some(&manager.access), PROCESSES, &Value::Null);
        if answer.status() == 401 { Ok(()) } else { Err(answer.shown()) }
    });
}
