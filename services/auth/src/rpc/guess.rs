//! Counts the passwords that are tried, before they are looked at, and tells the audit trail of those that let nobody in.

use kit::{
    Caller, Result, Timestamp,
    db::{Conn, Tx},
    search::fold,
};

use super::{Service, user};
use crate::{
    domain::{
        audit::{Event, Kind},
        guess::Guesses,
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
    /// Under which it is counted.
    name: String,
    now: Timestamp,
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
    let name = name(service, whose, known(&mut db, whose, &caller.address).await?);
    let guesses = store::guess::find(&mut db, &name).await?;
    drop(db);
    // Those who must wait keep nobody from writing, once the trail knows of them.
    if let Some(guesses) = guesses.filter(|guesses| guesses.is_throttle_told) {
        guesses.check(now)?;
    }
    // The place comes before the count. Whoever finds the queue full was not looked at and does not count: else who
    // fills the queue would lock out all whose names they know. Who has a place is looked at, and no one uncounted.
    let place = service.hashing.place()?;

    let tried = Tried { service, caller, whose, name, now };
    tried.charge().await?;
    Ok(Guess { tried, place })
}

impl Tried<'_> {
    /// Charges the try to the address that it comes from, and to the account.
    async fn charge(&self) -> Result<()> {
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
        let mut guesses = store::guess::lock(&mut tx, &self.name, &Guesses::none(self.now)).await?;
        let counted = guesses.count(self.now);
        if counted.is_err() {
            if guesses.is_throttle_told {
                return counted;
            }
            guesses.is_throttle_told = true;
            store::audit::insert(&mut tx, &self.event(Kind::PasswordThrottled)).await?;
        }
        store::guess::update(&mut tx, &self.name, &guesses).await?;
        tx.commit().await?;
        counted
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
        let Tried { service, caller, name, .. } = &self.tried;
        service.addresses.give_back(&caller.address);
        store::guess::delete(tx, name).await
    }

    /// It was wrong. The trail is told whoever it was for, and whether there is such a person: that takes as long.
    pub async fn was_wrong(&self) -> Result<()> {
        self.tried.note(Kind::PasswordWrong).await
    }
}

/// Forgets the guesses at the password of `person`, from wherever they were not known.
pub async fn forget(service: &Service, tx: &mut Tx, person: &User) -> Result<()> {
    store::guess::delete(tx, &name(service, Whose::Person(person), None)).await
}

/// `address`, if the owner of the account has logged in from there: strangers elsewhere don't keep them out.
async fn known<'a>(db: &mut Conn, whose: Whose<'_>, address: &'a str) -> Result<Option<&'a str>> {
    let id = match whose {
        Whose::Person(person) => person.id,
        // Looked for all the same, so that it takes as long.
        Whose::Nobody(_) => UserId::new(),
    };
    let known = store::session::came_from(db, id, address).await?;
    Ok((known && !address.is_empty()).then_some(address))
}

fn name(service: &Service, whose: Whose<'_>, address: Option<&str>) -> String {
    let whose = match whose {
        Whose::Person(person) => format!("person {}", person.id),
        Whose::Nobody(login) => format!("nobody {}", fold(login)),
    };
    service.chain_key.blind(&format!("guess at {whose} from {}", address.unwrap_or_default()))
}
