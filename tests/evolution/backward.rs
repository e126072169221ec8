//! A caller of the new build, and a server of the old one.

use micronet_wire::schema::{Decimal, Timestamp};
use micronet_wire::service::CallError;

use crate::network::{new_client, not_served, old_server, options, refused, run};
use crate::v2::{Find, Grade, GradeOf, Graded, Put, PutError, Rename, Seen, Shift, Size, State, Stored, Toy};

fn put(name: &str) -> Put {
    Put { colour: None, name: name.into(), count: 255 }
}

#[test]
fn what_was_less_is_understood() {
    run(async {
        let server = old_server();
        let shelf = new_client(&[&server]).await;
        assert_eq!(shelf.who(options()).await, Ok("v1".into()));
        let stored = Stored { id: 7, by: "v1".into(), price: Decimal(199_900) };
        assert_eq!(shelf.put(&put("Tux"), options()).await, Ok(stored));
        let own = Err(CallError::Service(PutError::Full { room: 3 }));
        assert_eq!(shelf.put(&put("large"), options()).await, own);
        let toy = Toy {
            name: "Tux".into(),
            state: State::Sold { at: None, to: "Ann".into() },
            price: None,
            former: vec![State::New, State::Unknown],
        };
        assert_eq!(shelf.find(&Find { name: "Tux".into(), deep: None }, options()).await, Ok(toy));
        let grade_of = GradeOf { name: "Rex".into(), least: None };
        assert_eq!(shelf.grade(&grade_of, options()).await, Ok(Graded { grade: Grade::Fair }));
        assert_eq!(shelf.size(options()).await, Ok(Size { width: 80 }));
        assert_eq!(shelf.seen(&Seen { at: None, name: "Tux".into() }, options()).await, Ok(()));
        assert_eq!(shelf.who(options()).await, Ok("v1".into()));
        let heard = [
            "who",
            "put Tux 255 None",
            "put large 255 None",
            "find Tux",
            "grade Rex None",
            "size",
            "seen Tux",
            "who",
        ];
        assert_eq!(server.calls.take(), heard);
    });
}

#[test]
fn what_the_old_server_has_no_place_for_is_refused_without_a_call() {
    run(async {
        let server = old_server();
        let shelf = new_client(&[&server]).await;
        let words = "shelf.put: request field \"count\" is 256, which doesn't fit U8 there";
        let many = Put { count: 256, ..put("Tux") };
        assert_eq!(shelf.put(&many, options()).await, Err(refused(words).into()));
        let words = "shelf.put: request field \"colour\" is given, but unknown there";
        let red = Put { colour: Some("red".into()), ..put("Tux") };
        assert_eq!(shelf.put(&red, options()).await, Err(refused(words).into()));
        let words = "shelf.find: request field \"deep\" is given, but unknown there";
        let deep = Find { name: "Tux".into(), deep: Some(false) };
        assert_eq!(shelf.find(&deep, options()).await, Err(refused(words)));
        let words = "shelf.grade: request field \"least\" is Broken, a variant that is unknown there";
        let broken = GradeOf { name: "Rex".into(), least: Some(Grade::Broken) };
        assert_eq!(shelf.grade(&broken, options()).await, Err(refused(words)));
        let words = "shelf.seen: request field \"at\" is given, but unknown there";
        let seen = Seen { at: Some(Timestamp(1)), name: "Tux".into() };
        assert_eq!(shelf.seen(&seen, options()).await, Err(refused(words)));
        assert!(server.calls.take().is_empty());
    });
}

#[test]
fn methods_that_can_not_be_reconciled_are_refused_without_a_call() {
    run(async {
        let server = old_server();
        let shelf = new_client(&[&server]).await;
        let words = "shelf.shift: request field \"row\" is U32 here and String there";
        let shift = Shift { name: "Tux".into(), row: 3 };
        assert_eq!(shelf.shift(&shift, options()).await, Err(refused(words)));
        let words = "shelf.rename: request field \"to\" is required there and unknown here";
        let rename = Rename { name: "Tux".into(), new_name: "Rex".into() };
        assert_eq!(shelf.rename(&rename, options()).await, Err(refused(words)));
        assert_eq!(shelf.count(options()).await, Err(not_served("shelf.count is not served there")));
        assert!(server.calls.take().is_empty());
    });
}
