//! Every operation of the shop, three ways: through the gateway, by HTTP on the service's own port, and by `micronet call`.
//!
//! Each way gets a network of its own with the same data, and goes through the same steps in the same order. So each step has
//! to come to the same thing three times: what the table says, and what the other ways said.

mod steps;
mod ways;

use std::collections::BTreeSet;

use micronet_tests::network::Network;

use self::steps::{Step, steps};
use self::ways::{ByCall, ByHttp, Outcome, Way};

#[test]
fn every_operation_comes_to_the_same_thing_three_ways() {
    let networks: Vec<Network> = (0..3).map(|_| Network::start("shop")).collect();
    let mut ways: Vec<Box<dyn Way + '_>> = vec![
        Box::new(ByHttp::through_the_gateway(&networks[0])),
        Box::new(ByHttp::on_the_services_own_port(&networks[1])),
        Box::new(ByCall::new(&networks[2])),
    ];
    for (at, step) in steps().iter().enumerate() {
        let outcomes: Vec<Outcome> = ways.iter_mut().map(|way| way.take(step)).collect();
        for (way, outcome) in ways.iter().zip(&outcomes) {
            step.check(outcome, &format!("step {at}, {}", way.name()));
        }
        for (way, outcome) in ways.iter().zip(&outcomes).skip(1) {
            assert!(
                outcome.is_as(&outcomes[0]),
                "step {at}, {} {}: {} says\n{outcome:#?}\nbut {} says\n{:#?}",
                step.method,
                step.request,
                way.name(),
                ways[0].name(),
                outcomes[0]
            );
        }
    }
}

/// The services of the shop.
const SHOP: [&str; 3] = ["user.", "product.", "order."];

/// No method of the shop that HTTP reaches is left out above.
#[test]
fn every_operation_has_a_step() {
    let network = Network::start("shop");
    let taken: BTreeSet<String> = steps().iter().map(|step| step.method.to_owned()).collect();
    let document = network.http().get("/openapi.json").check(200).json();
    let paths = document["paths"].as_object().expect("paths");
    let operations = paths.values().flat_map(|path| path.as_object().expect("operations").values());
    // A stream of events is no step: it has tests of its own.
    let operations = operations
        .filter(|operation| operation["responses"]["200"]["content"]["text/event-stream"].is_null());
    let bound: BTreeSet<String> =
        operations.filter_map(|operation| operation["operationId"].as_str().map(without_alias)).collect();
    let bound: BTreeSet<_> =
        bound.into_iter().filter(|name| SHOP.iter().any(|service| name.starts_with(service))).collect();
    assert!(bound.len() >= 20, "{bound:?}");
    let missing: Vec<_> = bound.difference(&taken).collect();
    assert!(missing.is_empty(), "no step takes {missing:?}");
}

/// The second place of a method is `service.method-2`.
fn without_alias(operation: &str) -> String {
    operation.split('-').next().unwrap_or_default().to_owned()
}

impl Step {
    /// Checks what this step came to.
    #[track_caller]
    fn check(&self, outcome: &Outcome, way: &str) {
        let about = format!("{way}: {} {} by {:?}\n{outcome:#?}", self.method, self.request, self.who);
        assert_eq!(outcome.code, self.code, "{about}");
        if let Some(status) = outcome.status {
            assert_eq!(status, self.status, "{about}");
        }
        for (pointer, wanted) in self.holds {
            let wanted: serde_json::Value = serde_json::from_str(wanted).expect("the table holds JSON");
            assert_eq!(outcome.value.pointer(pointer), Some(&wanted), "{pointer}\n{about}");
        }
        for field in self.faults {
            assert!(outcome.faults.contains(*field), "{field}\n{about}");
        }
        assert_eq!(outcome.faults.len(), self.faults.len(), "{about}");
    }
}
