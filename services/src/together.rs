//! Questions that are asked together: whoever asks while others are being answered waits, and is answered with all that wait by then, in
//! one go. Who asks alone doesn't wait.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// Questions that are answered at once at most.
pub const TOGETHER_MAX: usize = 64;

/// Those who wait for an answer.
pub struct Together<Q, A> {
    waiting: Mutex<Vec<(Q, oneshot::Sender<A>)>>,
    /// Held by the one who asks for all.
    turn: tokio::sync::Mutex<()>,
}

impl<Q, A> Default for Together<Q, A> {
    fn default() -> Self {
        Self { waiting: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }
}

impl<Q: Clone, A> Together<Q, A> {
    /// Asks, perhaps for others too: `answer` is called with some questions, and gives an answer to each, in their order.
    pub async fn ask(&self, question: Q, answer: impl AsyncFn(Vec<Q>) -> Vec<A>) -> A {
        loop {
            let (sender, mut answered) = oneshot::channel();
            self.waiting().push((question.clone(), sender));
            loop {
                let _turn = tokio::select! {
                    biased;
                    given = &mut answered => match given {
                        Ok(given) => return given,
                        // Whoever asked for us has left.
                        Err(_) => break,
                    },
                    turn = self.turn.lock() => turn,
                };
                let some: Vec<_> = {
                    let mut waiting = self.waiting();
                    // Who has left doesn't want to know.
                    waiting.retain(|(_, asker)| !asker.is_closed());
                    let count = waiting.len().min(TOGETHER_MAX);
                    waiting.drain(..count).collect()
                };
                let (questions, askers): (Vec<Q>, Vec<_>) = some.into_iter().unzip();
                for (asker, given) in askers.into_iter().zip(answer(questions).await) {
                    // It may have left meanwhile.
                    let _ = asker.send(given);
                }
            }
        }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<(Q, oneshot::Sender<A>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Q, A> fmt::Debug for Together<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use tokio::task::{spawn_local, yield_now};

    use super::*;

    /// Answers with the double, notes who asked together, and takes until it is told.
    #[derive(Default)]
    struct Doubling {
        asked: RefCell<Vec<Vec<u32>>>,
        go_on: tokio::sync::Notify,
    }

    impl Doubling {
        async fn answer(&self, questions: Vec<u32>) -> Vec<u32> {
            self.asked.borrow_mut().push(questions.clone());
            self.go_on.notified().await;
            questions.iter().map(|number| number * 2).collect()
        }
    }

    struct Asking {
        together: Rc<Together<u32, u32>>,
        doubling: Rc<Doubling>,
    }

    impl Asking {
        fn new() -> Self {
            Self { together: Rc::default(), doubling: Rc::default() }
        }

        fn ask(&self, number: u32) -> tokio::task::JoinHandle<u32> {
            let (together, doubling) = (Rc::clone(&self.together), Rc::clone(&self.doubling));
            spawn_local(async move { together.ask(number, async |some| doubling.answer(some).await).await })
        }

        async fn settle(&self) {
            for _ in 0..9 {
                yield_now().await;
            }
        }
    }

    #[tokio::test(flavor = "local")]
    async fn whoever_waits_is_answered_with_the_others() {
        let asking = Asking::new();
        let first = asking.ask(1);
        asking.settle().await;
        let last = u32::try_from(TOGETHER_MAX).unwrap() + 4;
        let others: Vec<_> = (2..=last).map(|number| asking.ask(number)).collect();
        asking.settle().await;
        for _ in 0..3 {
            asking.doubling.go_on.notify_one();
            asking.settle().await;
        }
        assert_eq!(first.await.unwrap(), 2);
        for (number, other) in (2..).zip(others) {
            assert_eq!(other.await.unwrap(), number * 2);
        }
        let sizes: Vec<_> = asking.doubling.asked.borrow().iter().map(Vec::len).collect();
        assert_eq!(sizes, [1, TOGETHER_MAX, 3]);
    }

    #[tokio::test(flavor = "local")]
    async fn who_leaves_takes_nobody_along() {
        let asking = Asking::new();
        let leaving = asking.ask(1);
        asking.settle().await;
        let [staying, gone] = [2, 3].map(|number| asking.ask(number));
        asking.settle().await;
        gone.abort();
        // It was asking for itself; the next one goes on.
        leaving.abort();
        asking.settle().await;
        asking.doubling.go_on.notify_one();
        assert_eq!(staying.await.unwrap(), 4);
        assert_eq!(*asking.doubling.asked.borrow(), [vec![1], vec![2]]);
        // And one who is asked for by somebody who leaves asks anew.
        let [first, second] = [4, 5].map(|number| asking.ask(number));
        asking.settle().await;
        first.abort();
        asking.settle().await;
        asking.doubling.go_on.notify_one();
        assert_eq!(second.await.unwrap(), 10);
    }
}
