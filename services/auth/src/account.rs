//! Accounts that are not made over the wire: the first admin, further admins, and those that a demo sets up.

use anyhow::ensure;
use kit::{Clock, Db, Result, Timestamp, access::Role, db::Tx};
use proto::auth::v1 as pb;

use crate::{
    Config, SCHEMA, Secret,
    domain::{
        audit::{Event, Kind},
        password::{Password, PasswordHash},
        user::{Account, User, check_name, check_username},
    },
    hashing::Hashing,
    rpc::{
        session,
        user::{keep_an_admin, resource, tell},
        watch,
    },
    store,
};

/// The admin who was made at the first start.
#[derive(Clone, Debug)]
pub struct FirstAdmin {
    /// Who they are.
    pub username: String,
    /// Their password, if it was generated: to be shown once.
    pub password: Option<Secret>,
}

/// An admin to be made.
#[derive(Clone, Debug)]
pub struct NewAdmin {
    /// Who they are.
    pub username: String,
    /// None: `<username>@localhost`.
    pub email: Option<String>,
    /// How people write the name.
    pub full_name: String,
    /// None: one is generated.
    pub password: Option<Secret>,
}

/// An account as it shall be.
#[derive(Clone, Debug)]
pub struct UserSetup {
    /// Who it is: the account that has this username is changed, or else made.
    pub username: String,
    /// Used when the account is made.
    pub email: String,
    /// How people write the name.
    pub full_name: String,
    /// What they are trusted with.
    pub role: Role,
    /// What they log in with.
    pub password: Secret,
}

/// Makes an admin. Answers the password, if it was generated.
///
/// # Errors
///
/// There is no data of Flightline, the username or e-mail address is taken, a field breaks a rule, or the database can't
/// be reached.
pub async fn create_admin(
    db: &kit::db::Config,
    clock: &Clock,
    new: NewAdmin,
) -> anyhow::Result<Option<Secret>> {
    // A database of its own would be one that no suite looks at.
    ensure!(Db::exists(db, "auth").await?, "{}", no_data(db));
    let db = SCHEMA.open(db).await?;
    let (account, generated) = admin(new, &Hashing::new().await?, clock.now()).await?;

    let mut tx = db.begin("create admin").await?;
    if store::user::find_login(&mut tx, &account.user.username).await?.is_some() {
        // Else an e-mail address might be named that nobody typed.
        Err(store::user::username_taken())?;
    }
    store::user::insert(&mut tx, &account).await?;
    note(&mut tx, Kind::UserCreated, &account.user, clock.now()).await?;
    tell(&mut tx, account.user.clone(), clock.now()).await?;
    tx.commit().await?;
    db.close().await;

    Ok(generated)
}

fn no_data(db: &kit::db::Config) -> String {
    match db.server() {
        Some(_) => "the database of DATABASE_URL holds no data of Flightline".to_owned(),
        None => format!(
            "{} holds no data of Flightline: set FLIGHTLINE_DATA_DIR to the suite's folder",
            db.data_dir.display()
        ),
    }
}

/// Makes the first admin, if there is nobody.
pub async fn create_first_admin(
    db: &Db,
    clock: &Clock,
    config: &Config,
    hashing: &Hashing,
) -> anyhow::Result<Option<FirstAdmin>> {
    if store::user::any(&mut db.read().await?).await? {
        return Ok(None);
    }
    let new = NewAdmin {
        username: config.admin_username.clone(),
        email: None,
        full_name: String::new(),
        password: config.first_password(),
    };
    let (account, password) = admin(new, hashing, clock.now()).await?;

    let mut tx = db.begin("create first admin").await?;
    store::user::lock_all(&mut tx).await?;
    // Another replica may have been faster.
    if store::user::any(&mut tx).await? {
        return Ok(None);
    }
    store::user::insert(&mut tx, &account).await?;
    note(&mut tx, Kind::UserCreated, &account.user, clock.now()).await?;
    tell(&mut tx, account.user.clone(), clock.now()).await?;
    tx.commit().await?;

    Ok(Some(FirstAdmin { username: account.user.username, password }))
}

/// Sees to it that there is an account with this password and role. Sessions end when the password changes.
///
/// # Errors
///
/// The e-mail address is taken, a field breaks a rule, the last admin would be none, or the database can't be reached.
pub async fn set_up_user(
    db: &kit::db::Config,
    clock: &Clock,
    setup: UserSetup,
) -> anyhow::Result<()> {
    let is_person = matches!(setup.role, Role::Admin | Role::Technician | Role::Viewer);
    ensure!(is_person, "{} is no role of a person", setup.role.name());
    let password = checked(&setup.username, &setup.email, &setup.full_name, &setup.password)?;
    let db = SCHEMA.open(db).await?;
    let (place, now) = (Hashing::new().await?.place()?, clock.now());
    // Before any transaction: hashing takes its time.
    let seen = store::user::find_login(&mut db.read().await?, &setup.username).await?;
    let kept = seen.as_ref().map(|account| account.password_hash.clone());
    let (known, password_hash) = match place.check(password.clone(), kept).await? {
        Some(hash) => (seen.map(|account| account.password_revision), hash),
        None => (None, place.hash(password).await?),
    };

    let mut tx = db.begin("set up user").await?;
    store::user::lock_all(&mut tx).await?;
    match store::user::find_login(&mut tx, &setup.username).await? {
        None => {
            let UserSetup { username, email, full_name, role, .. } = setup;
            let user = User::new(username, email, full_name, role, now);
            let account = Account::new(user, password_hash);
            store::user::insert(&mut tx, &account).await?;
            note(&mut tx, Kind::UserCreated, &account.user, now).await?;
            tell(&mut tx, account.user, now).await?;
        }
        Some(account) => {
            let is_known = known == Some(account.password_revision);
            change(&mut tx, account, &setup, is_known, password_hash, now).await?;
        }
    }
    tx.commit().await?;
    db.close().await;

    Ok(())
}

/// A new admin's account, and the password if it was generated.
async fn admin(
    new: NewAdmin,
    hashing: &Hashing,
    now: Timestamp,
) -> anyhow::Result<(Account, Option<Secret>)> {
    let NewAdmin { username, email, full_name, password } = new;
    let email = email.unwrap_or_else(|| format!("{username}@localhost"));
    let (chosen, generated) = if let Some(password) = password {
        (password, None)
    } else {
        let password = Secret::random()?;
        (password.clone(), Some(password))
    };
    let password = checked(&username, &email, &full_name, &chosen)?;
    let password_hash = hashing.place()?.hash(password).await?;
    let user = User::new(username, email, full_name, Role::Admin, now);
    Ok((Account::new(user, password_hash), generated))
}

/// Holds an account to the rules of the contract, which calls are held to while they are decoded.
fn checked(
    username: &str,
    email: &str,
    full_name: &str,
    password: &Secret,
) -> anyhow::Result<Password> {
    let request = pb::RegisterRequest {
        username: username.to_owned(),
        email: email.to_owned(),
        password: password.reveal().to_owned(),
        full_name: full_name.to_owned(),
        request_id: String::new(),
    };
    proto::validate::validate(&request).map_err(kit::Error::from)?;
    check_username("username", username)?;
    check_name("full_name", full_name)?;
    Ok(Password::chosen("password", password.reveal(), [username, email])?)
}

/// Makes an account what `setup` says, if it isn't. Its password `is_known` if it is that one already; then a stronger hash of it
/// may be kept, and ends nothing.
async fn change(
    tx: &mut Tx,
    account: Account,
    setup: &UserSetup,
    is_known: bool,
    password_hash: PasswordHash,
    now: Timestamp,
) -> Result<()> {
    let Account { mut user, password_hash: old, password_revision } = account;
    if is_known {
        if password_hash != old {
            store::user::rehash(tx, user.id, &old, &password_hash).await?;
        }
        if user.role == setup.role && user.full_name == setup.full_name {
            return Ok(());
        }
    } else {
        store::user::set_password(tx, user.id, password_revision, &password_hash).await?;
        let cause = Event::by_command(Kind::UserUpdated, resource(user.id), now);
        session::end_all(tx, user.id, None, &cause).await?;
    }
    if user.role != setup.role {
        keep_an_admin(tx, &user).await?;
    }
    store::password_reset::delete_by(tx, user.id).await?;
    user.role = setup.role;
    user.full_name.clone_from(&setup.full_name);
    user.touch(now);
    store::user::update(tx, &user).await?;
    watch::tell_changed(tx, &user, now).await?;
    note(tx, Kind::UserUpdated, &user, now).await?;
    tell(tx, user, now).await.map(drop)
}

/// Tells the audit trail what the command line did to somebody.
async fn note(tx: &mut Tx, kind: Kind, user: &User, now: Timestamp) -> Result<()> {
    let event = Event::by_command(kind, resource(user.id), now);
    let event = event.with("username", &user.username).with("role", user.role.name());
    store::audit::insert(tx, &event).await
}
