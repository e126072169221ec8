//! Plans that are right, what they mean and look like; and plans that are wrong, with the words for it.

use micronet_wire::network::LinkRule;

use super::*;
use crate::terminal::Style;

const SERVICES: [&str; 5] = ["gateway", "user", "product", "order", "node"];

const SITES: &str = r#"
[segment.edge]
members = ["gateway"]

[segment.shop]
members = ["order", "user"]
latency = "200us"

[segment.stock]
members = ["product"]

[segment.far]
members = ["product-2"]

[[link]]
between = ["edge", "shop"]
latency = "5ms"
jitter = "2ms"
loss = "0.5%"
bandwidth = "10MB/s"

[[link]]
between = ["shop", "stock"]
latency = "1ms"
loss = "10%"
bandwidth = "100Mbit/s"

[[link]]
between = ["stock", "far"]
latency = "40ms"

[[link]]
between = ["far", "edge"]
latency = "90ms"

[[allow]]
from = "edge"
to = "*"

[[allow]]
from = ["order"]
to = ["stock", "user"]
"#;

fn plan(text: &str) -> Plan {
    read(text, &SERVICES).unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// The rules of an instance, in short.
fn links(plan: &Plan, instance: &str) -> Vec<String> {
    let (service, _) = instance.rsplit_once('-').unwrap();
    let short = |rule: LinkRule| {
        let to = rule.instance.unwrap_or(rule.service);
        if rule.denied {
            return format!("{to} denied: {}", rule.reason);
        }
        let LinkRule { delay_us, jitter_us, loss_permille, bytes_per_s, reason, .. } = rule;
        format!("{to} {delay_us}+{jitter_us} us, {loss_permille}, {bytes_per_s} B/s: {reason}")
    };
    plan.links_of(service, instance, SERVICES).into_iter().map(short).collect()
}

#[test]
fn each_process_gets_the_ways_from_its_segment_to_those_that_it_calls() {
    let sites = plan(SITES);
    assert_eq!(
        links(&sites, "gateway-1"),
        [
            "user 5000+2000 us, 5, 10000000 B/s: the way from edge to shop",
            // Over two links, and over three: that is faster than the one of 90 ms.
            "product-2 46000+2000 us, 105, 10000000 B/s: the way from edge to far",
            "product 6000+2000 us, 105, 10000000 B/s: the way from edge to stock",
            "order 5000+2000 us, 5, 10000000 B/s: the way from edge to shop",
        ]
    );
    assert_eq!(
        links(&sites, "order-1"),
        [
            "gateway denied: order may not call gateway: only edge (allow rule on line 36) may",
            "user 200+0 us, 0, 0 B/s: within shop",
            "product-2 41000+0 us, 100, 12500000 B/s: the way from shop to far",
            "product 1000+0 us, 100, 12500000 B/s: the way from shop to stock",
            "order denied: order may not call order: only edge (allow rule on line 36) may",
            "node denied: order may not call node: only edge (allow rule on line 36) may",
        ]
    );
    // An instance with a place of its own; and one without any, that is as near to all as the machine has it.
    let open = plan(&SITES[..SITES.find("[[allow]]").unwrap()]);
    assert_eq!(
        links(&open, "product-2")[1..3],
        [
            "user 41000+0 us, 100, 12500000 B/s: the way from far to shop",
            // It is where it is, and the others are not.
            "product-2 0+0 us, 0, 0 B/s: within far",
        ]
    );
    assert_eq!(links(&open, "node-1"), [] as [&str; 0]);
    let one_way =
        plan("segment.all.members = ['gateway', 'user']\n[[allow]]\nfrom = 'gateway'\nto = 'user'\n");
    assert_eq!(
        one_way.links_of("user", "user-1", ["product"])[0].reason,
        "user may not call product: no allow rule names who may"
    );
}

#[test]
fn a_plan_is_drawn_and_told_to_programs() {
    let drawn = plan(SITES).draw(Style::PLAIN);
    let wanted = "\
edge (gateway)
├─ 5ms to 7ms, 0.5% lost, 10MB/s ── shop (order, user)
│  └─ 1ms, 10% lost, 12.5MB/s ── stock (product)
└─ 90ms ── far (product-2)
and stock ── 40ms ── far

SEGMENT  MEMBERS      LATENCY  JITTER  LOSS  BANDWIDTH
edge     gateway            -       -     -          -
shop     order, user    200us       -     -          -
stock    product            -       -     -          -
far      product-2          -       -     -          -

LINK          LATENCY  JITTER  LOSS  BANDWIDTH
edge   shop       5ms     2ms  0.5%     10MB/s
shop   stock      1ms       -   10%   12.5MB/s
stock  far       40ms       -     -          -
far    edge      90ms       -     -          -

ALLOWED  TO CALL      LINE
edge     *              36
order    stock, user    40";
    assert_eq!(drawn, wanted, "\n{drawn}");
    let shown = plan(SITES).json();
    assert_eq!(shown["segments"][1]["within"]["latency_us"], 200);
    assert_eq!(shown["links"][0]["between"], serde_json::json!(["edge", "shop"]));
    assert_eq!((&shown["links"][0]["loss_permille"], &shown["allow"][1]["line"]), (&5.into(), &40.into()));
    let alone = plan("segment.all.members = 'gateway'").draw(Style::PLAIN);
    assert!(
        alone.starts_with("all (gateway)\n\n") && alone.ends_with("Everybody may call everybody."),
        "{alone}"
    );
}

/// What is wrong with a plan: its end, after segments a (lines 1 and 2) and b (line 3).
fn check(end: &str, wanted: &str) {
    let text = format!("[segment]\na = {{ members = ['gateway'] }}\nb = {{ members = ['user'] }}\n{end}");
    let wrong = read(&text, &SERVICES).expect_err(end).to_string();
    assert_eq!(wrong, wanted, "{text}");
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_its_name() {
    let link = "[[link]]\nbetween = ['a', 'b']\n";
    check("", "line 4: nothing joins the segments a and b: add a [[link]] with between = [\"a\", \"b\"]");
    check(
        "c = { members = ['gatway'] }",
        "line 4: \"gatway\" is neither a service nor an instance here: there are gateway, user, product, order, node",
    );
    check(
        "c = { members = ['user-0'] }",
        "line 4: \"user-0\" is neither a service nor an instance here: there are gateway, user, product, order, node",
    );
    check("c = { members = ['user'] }", "line 4: user is in the segment b already");
    check("c = { members = ['node', 'node'] }", "line 4: node is named twice");
    check("c = { members = [] }", "line 4: members names nobody");
    check("c = { latency = '1ms' }", "line 4: segment c has no members: add members = [\"gateway\"]");
    check(
        "order = { members = ['order'] }",
        "line 4: a segment can't be called order, as a service is: take another name",
    );
    check(
        "'two words' = { members = ['order'] }",
        "line 4: \"two words\" is no name for a segment: up to 32 letters, digits, - and _",
    );
    check("[[link]]\nbetween = ['a', 'c']", "line 5: \"c\" is not a segment here: there are a, b");
    check("[[link]]\nbetween = ['a', 'a']", "line 5: a link is between two segments, one and another");
    check("[[link]]\nlatency = '1ms'", "line 4: a link has no ends: add between = [\"ONE\", \"OTHER\"]");
    check("[link]\nbetween = ['a', 'b']", "line 4: there may be many of it: write [[link]]");
    check(&format!("{link}{}", "[[link]]\nbetween = ['b', 'a']"), "line 7: b and a have a link already");
    check(
        &format!("{link}latency = '5'"),
        "line 6: latency of link: \"5\" is no time: write 250us, 5ms or 1.5s, up to 60s",
    );
    check(&format!("{link}loss = 5"), "line 6: loss is written in quotes, with its unit");
    check(
        &format!("{link}speed = '1MB/s'"),
        "line 6: link has no key \"speed\": there are between, latency, jitter, loss, bandwidth",
    );
    check(
        &format!("{link}[[allow]]\nfrom = 'a'"),
        "line 6: an allow rule says from whom and to whom: add to = [\"…\"]",
    );
    check(
        &format!("{link}[[allow]]\nfrom = 'a'\nto = 'c'"),
        "line 8: \"c\" is neither a service nor a segment here: there are gateway, user, product, order, node, a, b",
    );
    check("[[links]]", "line 4: the file has no key \"links\": there are segment, link, allow");
    let wrong = read("", &SERVICES).unwrap_err().to_string();
    assert_eq!(wrong, "line 1: a network has segments: [segment.NAME], with members");
    let wrong = read("[segment.a]\nmembers = [", &SERVICES).unwrap_err();
    assert_eq!(wrong.line, 2, "{wrong}");
}
