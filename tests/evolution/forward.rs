//! A caller of the old build, and a server of the new one.

use micronet_wire::error::{Code, RpcError};
use micronet_wire::schema::Decimal;
use micronet_wire::service::CallError;

use crate::network::{executed, new_server, not_served, old_client, options, refused, run};
use crate::v1::{Find, Grade, GradeOf, Graded, Put, PutError, Rename, Seen, Shift, State, Stored, Toy};

fn put(name: &str) -> Put {
    Put { name: name.into(), count: 250, note: None }
}

#[test]
fn what_became_more_is_understood() {
    run(async {
        let server = new_server();
        let shelf = old_client(&[&server]).await;
        assert_eq!(shelf.who(options()).await, Ok("v2".into()));
        let stored = Stored { id: 7, by: "v2".into(), mark: None, price: Decimal(1999) };
        assert_eq!(shelf.put(&put("Tux"), options()).await, Ok(stored));
        let toy = Toy {
            name: "Tux".into(),
            state: State::Sold { to: "Ann".into() },
            former: vec![State::New, State::Unknown],
        };
        assert_eq!(shelf.find(&Find { name: "Tux".into() }, options()).await, Ok(toy));
        let grade_of = GradeOf { name: "Tux".into(), least: Some(Grade::Good) };
        assert_eq!(shelf.grade(&grade_of, options()).await, Ok(Graded { grade: Grade::Fair }));
        assert_eq!(shelf.seen(&Seen { name: "Tux".into() }, options()).await, Ok(()));
        assert_eq!(shelf.who(options()).await, Ok("v2".into()));
        let heard =
            ["who", "put Tux 250 None", "find Tux None", "grade Tux Some(Good)", "seen Tux None", "who"];
        assert_eq!(server.calls.take(), heard);
    });
}

#[test]
fn errors_of_the_service_are_understood_or_keep_their_words() {
    run(async {
        let server = new_server();
        let shelf = old_client(&[&server]).await;
        let own = Err(CallError::Service(PutError::Full { room: 3 }));
        assert_eq!(shelf.put(&put("large"), options()).await, own);
        let words = |more: &str| {
            Err(CallError::Rpc(RpcError::new(Code::Application, format!("it stays out ({more})"))))
        };
        let new = words("shelf.put: the error is Frozen, a variant that is unknown here");
        assert_eq!(shelf.put(&put("cold"), options()).await, new);
        let large = words("shelf.put: error field \"Full.room\" is 300, which doesn't fit U8 here");
        assert_eq!(shelf.put(&put("wide"), options()).await, large);
        assert_eq!(server.calls.take().len(), 3);
    });
}

#[test]
fn what_a_request_says_is_never_lost() {
    run(async {
        let server = new_server();
        let shelf = old_client(&[&server]).await;
        let noted = Put { note: Some("soft".into()), ..put("Tux") };
        let words = "shelf.put: request field \"note\" is given, but unknown there";
        assert_eq!(shelf.put(&noted, options()).await, Err(refused(words).into()));
        assert!(server.calls.take().is_empty());
    });
}

#[test]
fn an_answer_that_has_no_place_here_is_refused_after_the_fact() {
    run(async {
        let server = new_server();
        let shelf = old_client(&[&server]).await;
        let words = "shelf.put: reply field \"id\" is 18446744073709551615, which doesn't fit U32 here";
        assert_eq!(shelf.put(&put("late"), options()).await, Err(executed(words).into()));
        let words = "shelf.put: reply field \"price\" is 19.9901, which doesn't fit Decimal(2) here";
        assert_eq!(shelf.put(&put("exact"), options()).await, Err(executed(words).into()));
        let words = "shelf.grade: reply field \"grade\" is Broken, a variant that is unknown here";
        let grade_of = GradeOf { name: "Rex".into(), least: None };
        assert_eq!(shelf.grade(&grade_of, options()).await, Err(executed(words)));
        assert_eq!(server.calls.take().len(), 3);
    });
}

#[test]
fn methods_that_can_not_be_reconciled_are_refused_without_a_call() {
    run(async {
        let server = new_server();
        let shelf = old_client(&[&server]).await;
        let words = "shelf.shift: request field \"row\" is String here and U32 there";
        let shift = Shift { name: "Tux".into(), row: "top".into() };
        assert_eq!(shelf.shift(&shift, options()).await, Err(refused(words)));
        let words = "shelf.rename: request field \"new_name\" is required there and unknown here";
        let rename = Rename { name: "Tux".into(), to: "Rex".into() };
        assert_eq!(shelf.rename(&rename, options()).await, Err(refused(words)));
        let words = "shelf.size: reply field \"depth\" is required here and unknown there";
        assert_eq!(shelf.size(options()).await, Err(refused(words)));
        assert_eq!(shelf.clear(options()).await, Err(not_served("shelf.clear is not served there")));
        assert!(server.calls.take().is_empty());
    });
}
