//! The CA and what it issues, without a process.

use std::fs;

use micronet_transport::tls::Tls;

use super::inspected::Inspected;
use super::*;
use crate::data_folder::tests::ScratchFolder;

fn folder(scratch: &ScratchFolder) -> CertsFolder {
    CertsFolder::new(&scratch.0.join("certs"))
}

#[test]
fn what_is_issued_can_be_used_and_read_again() {
    let scratch = ScratchFolder::new("issue");
    let folder = folder(&scratch);
    let made = Authority::create(&folder, "lab", false).unwrap();
    let opened = Authority::open(&folder).unwrap();
    assert_eq!((made.cluster(), opened.cluster()), ("lab", "lab"));
    let dns = ["shop.example".to_owned()];
    let holder = Holder::service("lab", "order", "order-2", (&dns, &[])).unwrap();
    for authority in [made, opened] {
        authority.issue_into(&folder, &holder, 60).unwrap();
        let tls = Tls::load(folder.files("order-2"), false).unwrap();
        assert_eq!(tls.id().to_string(), "spiffe://lab/service/order/order-2");
        assert_eq!(Holder::of_file(&folder, "order-2", "lab").unwrap(), holder);
        let (ca, own) =
            (Inspected::read(&folder.ca()).unwrap(), Inspected::read(&folder.of("order-2")).unwrap());
        assert!(own.is_signed_by(&ca) && ca.is_signed_by(&ca) && !ca.is_signed_by(&own));
        let left_s = own.not_after_s - unix_s().cast_signed();
        assert!((50..=60).contains(&left_s), "{left_s} s of 60 are left");
        assert!(own.expires.ends_with('Z') && own.expires.len() == 20, "{}", own.expires);
        assert_eq!(own.dns, ["order", "order-2", "localhost", "shop.example"]);
    }
    Authority::open(&folder).unwrap().issue_into(&folder, &Holder::operator("lab"), 60).unwrap();
    assert_eq!(folder.names().unwrap(), ["operator", "order-2"]);
    assert!(Holder::of_file(&folder, "order-2", "other").is_err());
}

#[test]
fn a_ca_is_replaced_only_by_force_and_its_key_is_its_own() {
    let scratch = ScratchFolder::new("ca");
    let folder = folder(&scratch);
    Authority::create(&folder, "lab", false).unwrap();
    let key = fs::read(folder.ca_key()).unwrap();
    assert!(Authority::create(&folder, "lab", false).is_err());
    assert_eq!(fs::read(folder.ca_key()).unwrap(), key);
    Authority::create(&folder, "lab", true).unwrap();
    assert_ne!(fs::read(folder.ca_key()).unwrap(), key);
    // A key of before beside a certificate of now is of no use.
    folder.write(&folder.ca_key(), &String::from_utf8(key).unwrap()).unwrap();
    let Err(error) = Authority::open(&folder) else { panic!("it was opened") };
    assert!(error.to_string().contains("ca.key is not the key of ca.pem"), "{error}");
    // Half a CA is not completed in silence.
    fs::remove_file(folder.ca()).unwrap();
    assert!(Authority::create(&folder, "lab", false).is_err());
    assert!(Authority::open_or_create(&folder, "lab").is_err());
}

#[test]
fn certificates_are_renewed_when_half_of_their_time_is_over() {
    let scratch = ScratchFolder::new("renewal");
    let folder = folder(&scratch);
    let instances = || [("order", "order-1"), ("gateway", "gateway-1")].into_iter();
    let mut renewal = Renewal::begin(folder.clone(), "lab", instances(), 3600).unwrap();
    assert_eq!(folder.names().unwrap(), ["gateway-1", "operator", "order-1"]);
    let read = || fs::read(folder.of("order-1")).unwrap();
    let first = read();
    renewal.renew_if_due();
    assert_eq!(read(), first, "half an hour is left until then");
    // Half of a second is over at once.
    let mut renewal = Renewal::begin(folder.clone(), "lab", instances(), 1).unwrap();
    let second = read();
    renewal.renew_if_due();
    assert_ne!(read(), second);
    let Err(error) = Renewal::begin(folder, "other", instances(), 1) else {
        panic!("another cluster's CA was taken")
    };
    assert!(error.to_string().contains("lab, and not other"), "{error}");
}
