//! Counts the passwords that are tried, before they are looked at, and tells the audit trail of those that let nobody in; of the
//! parts' secrets, too.

use kit::{
    Caller, Result, Timestamp,
    db::{Conn, Tx},
    search::fold,
};

use super::{Service, user};
use crate::{
    domain::{
        audit::{Event, Kind},
        guess::{Guesses, Pace, network},
        user::{User, UserId},
    },
    hashing::Place,
    store,
};

/// Whose password is tried.
#[derive(Clone, Copy)]
pub enum Whose<'a> {
    /// Theirs.
    Person(&'a User),
    /// Nobody is called this.
    Nobody(&'a str),
}

/// A password that is tried and was counted.
pub struct Guess<'a> {
    tried: Tried<'a>,
    /// Where it is looked at.
    pub place: Place,
}

struct Tried<'a> {
    service: &'a Service,
    caller: &'a Caller,
    whose: Whose<'a>,
    /// Whether their owner has been where it comes from.
    is_known: bool,
    counters: [Counter; 2],
    now: Timestamp,
}

/// Where tries are counted.
struct Counter {
    name: String,
    pace: Pace,
}

/// Counts a password that `caller` tries.
///
/// # Errors
///
/// Too many were tried there lately, or too many are being looked at.
pub async fn count<'a>(
    service: &'a Service,
    caller: &'a Caller,
    whose: Whose<'a>,
    now: Timestamp,
) -> Result<Guess<'a>> {
    let mut db = service.db.read().await?;
    let is_known = is_known(&mut db, whose, &caller.address).await?;
    let counters = counters(service, caller, whose, is_known);
    for counter in &counters {
        // Those who must wait keep nobody from writing, once the trail knows of them.
        let guesses = store::guess::find(&mut db, &counter.name).await?;
        if let Some(guesses) = guesses.filter(|guesses| guesses.is_throttle_told) {
            guesses.check(now)?;
        }
    }
    drop(db);
    // The place comes before the count. Whoever finds the queue full was not looked at and does not count: else who
    // fills the queue would lock out all whose names they know. Who has a place is looked at, and no one uncounted.
    let place = service.hashing.place()?;

    let tried = Tried { service, caller, whose, is_known, counters, now };
    tried.charge().await?;
    Ok(Guess { tried, place })
}

impl Tried<'_> {
    /// Charges the try to the address that it comes from, and counts it. Whoever is known there is counted alone: what strangers
    /// tried from there before is not theirs to pay.
    async fn charge(&self) -> Result<()> {
        if self.is_known {
            return self.count().await;
        }
        let addresses = &self.service.addresses;
        if let Err(throttled) = addresses.take(&self.caller.address, self.now) {
            if throttled.is_news {
                self.note(Kind::PasswordThrottled).await?;
            }
            return Err(throttled.error);
        }
        let counted = self.count().await;
        if counted.is_err() {
            addresses.give_back(&self.caller.address);
        }
        counted
    }

    async fn count(&self) -> Result<()> {
        let mut tx = self.service.db.begin("count guess").await?;
        let (mut counted, first) = (Vec::new(), Guesses::none(self.now));
        for Counter { name, pace } in &self.counters {
            let before = store::guess::lock(&mut tx, name, &first).await?;
            let mut guesses = before;
            if let Err(error) = guesses.count(self.now, *pace) {
                self.tell_throttled(tx, name, before).await?;
                return Err(error);
            }
            counted.push((name, guesses));
        }
        for (name, guesses) in counted {
            store::guess::update(&mut tx, name, &guesses).await?;
        }
        tx.commit().await
    }

    /// Tells the trail, unless it knows, that a try came too soon by what `name` counts.
    async fn tell_throttled(&self, mut tx: Tx, name: &str, guesses: Guesses) -> Result<()> {
        if guesses.is_throttle_told {
            return Ok(());
        }
        let told = Guesses { is_throttle_told: true, ..guesses };
        store::guess::update(&mut tx, name, &told).await?;
        store::audit::insert(&mut tx, &self.event(Kind::PasswordThrottled)).await?;
        tx.commit().await
    }

    async fn note(&self, kind: Kind) -> Result<()> {
        let mut tx = self.service.db.begin("note guess").await?;
        store::audit::insert(&mut tx, &self.event(kind)).await?;
        tx.commit().await
    }

    fn event(&self, kind: Kind) -> Event {
        let event = |resource| Event::new(self.caller, kind, resource, self.now);
        match self.whose {
            Whose::Person(person) => {
                event(user::resource(person.id)).with("username", &person.username)
            }
            // Not what was typed: people type passwords where names belong.
            Whose::Nobody(_) => event(String::new()),
        }
    }
}

impl Guess<'_> {
    /// It was no guess: it was right.
    pub async fn was_right(&self, tx: &mut Tx) -> Result<()> {
        let Tried { service, caller, is_known, counters, .. } = &self.tried;
        if !is_known {
            service.addresses.give_back(&caller.address);
        }
        forget_all(tx, counters).await
    }

    /// It was right, and there is nothing else to write.
    pub async fn is_over(&self) -> Result<()> {
        let mut tx = self.tried.service.db.begin("forget guess").await?;
        self.was_right(&mut tx).await?;
        tx.commit().await
    }

    /// It was wrong. The trail is told whoever it was for, and whether there is such a person: that takes as long.
    pub async fn was_wrong(&self) -> Result<()> {
        self.tried.note(Kind::PasswordWrong).await
    }
}

/// Tells the trail that `caller` gave a wrong secret in the name of `part`: as seldom as of passwords, so that neither a flood of
/// them nor a part that tries again and again fills it. Nobody waits for that: nobody guesses a secret.
pub async fn note_refused(
    service: &Service,
    caller: &Caller,
    part: &str,
    now: Timestamp,
) -> Result<()> {
    let counters = pair(service, caller, &format!("the secret of {part}"), Pace::STRANGERS);
    let mut db = service.db.read().await?;
    for counter in &counters {
        let guesses = store::guess::find(&mut db, &counter.name).await?;
        if guesses.is_some_and(|guesses| guesses.check(now).is_err()) {
            return Ok(());
        }
    }
    drop(db);

    let mut tx = service.db.begin("note refusal").await?;
    for Counter { name, pace } in &counters {
        let mut guesses = store::guess::lock(&mut tx, name, &Guesses::none(now)).await?;
        // Another was faster.
        if guesses.count(now, *pace).is_err() {
            return Ok(());
        }
        store::guess::update(&mut tx, name, &guesses).await?;
    }
    let event = Event::new(caller, Kind::ServiceRefused, String::new(), now);
    store::audit::insert(&mut tx, &event.with("service", part)).await?;
    tx.commit().await
}

/// Forgets the guesses at the password of `person`, whom `caller` proved to be: those from the network that they call from,
/// and those from wherever they have not been.
pub async fn forget(service: &Service, tx: &mut Tx, caller: &Caller, person: &User) -> Result<()> {
    for is_known in [true, false] {
        forget_all(tx, &counters(service, caller, Whose::Person(person), is_known)).await?;
    }
    Ok(())
}

async fn forget_all(tx: &mut Tx, counters: &[Counter]) -> Result<()> {
    for counter in counters {
        store::guess::delete(tx, &counter.name).await?;
    }
    Ok(())
}

/// Whether the owner of the account has logged in from the network of `address`: strangers elsewhere don't keep them out.
async fn is_known(db: &mut Conn, whose: Whose<'_>, address: &str) -> Result<bool> {
    let id = match whose {
        Whose::Person(person) => person.id,
        // Looked for all the same, so that it takes as long.
        Whose::Nobody(_) => UserId::new(),
    };
    let network = network(address).map(|network| network.to_string());
    let known = store::session::came_from(db, id, network.as_deref().unwrap_or_default()).await?;
    Ok(known && network.is_some())
}

/// Where a try of `caller` is counted: two counters, whoever it is for. All take them in this order, so that no two tries wait
/// for each other.
fn counters(service: &Service, caller: &Caller, whose: Whose<'_>, is_known: bool) -> [Counter; 2] {
    let whose = match whose {
        Whose::Person(person) => format!("person {}", person.id),
        Whose::Nobody(login) => format!("nobody {}", fold(login)),
    };
    let (kind, pace) = if is_known { ("known", Pace::NONE) } else { ("strange", Pace::STRANGERS) };
    pair(service, caller, &format!("{whose} from {kind}"), pace)
}

/// The counters of what `caller` tries at `what`: in their network, and with `pace` in all networks together.
fn pair(service: &Service, caller: &Caller, what: &str, pace: Pace) -> [Counter; 2] {
    let network = network(&caller.address).map(|network| network.to_string());
    let name = |from: &str| service.chain_key.blind(&format!("guess at {what} {from}"));
    [
        Counter { name: name(&network.unwrap_or_default()), pace: Pace::NETWORK },
        Counter { name: name("networks"), pace },
    ]
}
