//! Taps of several processes put together: whoever is chosen and runs is asked, and what they tell is passed on as it comes.

use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use micronet_transport::clock;
use micronet_transport::tasks;
use micronet_wire::error::{Code, RpcError};
use micronet_wire::limits::{DEADLINE_US_MAX, TAP_SILENCE_MS};
use micronet_wire::network::{OperationClient, TapFilter, Tapped};
use micronet_wire::principal::Principal;
use micronet_wire::service::{CallOptions, Outgoing};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::governor::Governor;
use crate::tap::owed::Owed;
use crate::up::Instance;

/// What processes have told and isn't passed on yet; beyond that they wait, and lose what they have no room for.
const WAITING: usize = 4;
/// How often it is looked who runs, in milliseconds.
const LOOK_MS: u64 = 500;

/// Passes on what is told by the processes that `chosen` names from time to time, until nobody wants it any more.
pub(super) async fn pass_on(
    governor: &Rc<Governor>,
    filter: TapFilter,
    chosen: impl Fn() -> Vec<Rc<Instance>>,
    mut replies: Outgoing<Tapped>,
) -> Result<(), RpcError> {
    let (told, mut news) = mpsc::channel(WAITING);
    let mut listening = JoinSet::new();
    let mut tapped: BTreeMap<String, u32> = BTreeMap::new();
    let mut look = tokio::time::interval(Duration::from_millis(LOOK_MS));
    let mut silence = tokio::time::interval(Duration::from_millis(TAP_SILENCE_MS));
    loop {
        tokio::select! {
            Some(tapped) = news.recv() => replies.send(&tapped).await?,
            _ = silence.tick() => replies.send(&Tapped::default()).await?,
            Some(ended) = listening.join_next() => {
                if let Ok((name, why)) = ended {
                    tracing::debug!(instance = name, %why, "a tap has ended");
                    tapped.remove(&name);
                }
            }
            _ = look.tick() => {
                for instance in chosen() {
                    let (name, pid) = (instance.name().to_owned(), instance.pid().unwrap_or_default());
                    if pid != 0 && tapped.get(&name) != Some(&pid) {
                        tapped.insert(name.clone(), pid);
                        let listen = listen(Rc::downgrade(governor), instance, filter.clone(), told.clone());
                        listening.spawn_local(tasks::named("tap of an instance", async move { (name, listen.await) }));
                    }
                }
            }
        }
    }
}

/// Hears what a process tells to its end; why that came.
async fn listen(
    governor: Weak<Governor>,
    instance: Rc<Instance>,
    filter: TapFilter,
    told: mpsc::Sender<Tapped>,
) -> RpcError {
    let hear = async {
        let governor = governor.upgrade().ok_or_else(|| RpcError::new(Code::Draining, "the network ends"))?;
        let operation = OperationClient::new(governor.connection(&instance).await?);
        drop(governor);
        let options = CallOptions {
            principal: Some(Principal::Operator),
            deadline_ns: clock::now() + u64::from(DEADLINE_US_MAX) * 1_000,
            ..CallOptions::default()
        };
        let mut news = operation.tap(&filter, options).await?;
        let mut owed = Owed::default();
        while let Some(tapped) = news.next().await? {
            if !owed.hand_over(tapped, &told).await {
                return Err(RpcError::new(Code::Cancelled, "nobody listens"));
            }
        }
        Ok::<(), RpcError>(())
    };
    match hear.await {
        Ok(()) => RpcError::new(Code::ConnectionLost, "it has nothing more to tell"),
        Err(error) => error,
    }
}
