//! Which request this thread works on now, for those who write logs.

use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;

use super::noted::hex;
use super::story::Story;

thread_local! {
    static CURRENT: RefCell<Story> = const { RefCell::new(Story::untold()) };
}

/// While it is there, this thread works on a request; then on what it worked on before.
#[must_use]
pub(crate) struct Entered(Option<Story>);

impl Drop for Entered {
    fn drop(&mut self) {
        let before = self.0.take().unwrap_or_default();
        // What ends with it ends when nothing is borrowed any more.
        drop(CURRENT.replace(before));
    }
}

impl Story {
    /// This thread works on it from now on.
    pub(crate) fn enter(&self) -> Entered {
        Entered(Some(CURRENT.replace(self.clone())))
    }

    /// Does something of which all that is logged belongs to this request.
    pub(crate) async fn within<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            let _entered = self.enter();
            work.as_mut().poll(cx)
        })
        .await
    }
}

/// Looks at the ids of the request that this thread works on, and of its trace in hexadecimal digits; either may be empty.
pub fn current(look: impl FnOnce(&str, &str)) {
    // Cloned, so that nothing is borrowed while somebody looks.
    let story = CURRENT.with_borrow(Story::clone);
    story.ids(|request_id, trace_id| look(request_id, hex(trace_id, &mut [0; 32])));
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use bytes::Bytes;
    use micronet_wire::service::CallOptions;

    use super::super::{Called, Records};
    use super::*;

    fn seen() -> (String, usize) {
        let mut seen = (String::new(), 0);
        current(|request_id, trace_id| seen = (request_id.to_owned(), trace_id.len()));
        seen
    }

    #[test]
    fn a_thread_works_on_one_request_within_another() {
        let records = Rc::new(Records::default());
        let story = |id: &str| {
            let options = CallOptions { request_id: id.into(), ..CallOptions::default() };
            let called = Called { service: "product", method: "query", id: 7 };
            Story::made(&records, 1, &options, called, &Bytes::new())
        };
        assert_eq!(seen(), (String::new(), 0));
        let outer = story("outer");
        {
            let _outer = outer.enter();
            {
                let _inner = story("inner").enter();
                assert_eq!(seen(), ("inner".into(), 32));
                assert!(records.find("inner").is_empty());
            }
            assert_eq!(records.find("inner").len(), 1, "it is over when nobody works on it any more");
            assert_eq!(seen(), ("outer".into(), 32));
        }
        assert_eq!(seen(), (String::new(), 0));
    }
}
