//! Time of a refused log-in in a name that somebody has, to one that nobody has: whoever measures them must not learn who
//! has an account, neither from where its owner logs in nor from elsewhere.
#![expect(clippy::print_stdout, reason = "a benchmark prints what it found")]

use std::time::{Duration, Instant};

use anyhow::ensure;
use benches::Site;
use proto::auth::v1::{
    CreateTokenRequest, RegisterRequest, auth_service_client::AuthServiceClient,
};
use tonic::{Code, transport::Channel};

/// Of known names and of others; of either half from where the owner logs in. Each is for a name of its own, because one name's
/// are slowed down.
const LOGINS: usize = 600;
/// By how much the medians may differ.
const MOST: f64 = 0.05;
const PASSWORD: &str = "the password of a bench";

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let site = Site::start().await?;
    let mut auth = AuthServiceClient::new(site.channel().await?);
    for number in 0..LOGINS {
        settle(&mut auth, number).await?;
        if is_owners(number) {
            log_in(&mut auth, number).await?;
        }
    }

    // By whether it is from where the owner of such an account logs in: half are.
    let (mut known, mut unknown) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for number in 0..LOGINS {
        let place = usize::from(is_owners(number));
        // In turns, and each first as often as the other, so that whatever else the machine does troubles both alike.
        let mut pair = [("person", &mut known[place]), ("nobody", &mut unknown[place])];
        if number / 2 % 2 == 1 {
            pair.reverse();
        }
        for (name, times) in pair {
            times.push(refused(&mut auth, format!("{name}-{number}")).await?);
        }
    }

    let times = known.into_iter().zip(unknown);
    for (place, (known, unknown)) in ["elsewhere", "where the owner logs in"].iter().zip(times) {
        let count = known.len();
        let (known, unknown) = (median(known), median(unknown));
        let ratio = known.as_secs_f64() / unknown.as_secs_f64();
        println!("refused log-ins from {place}, median of {count}:");
        println!("known name {known:?}, unknown name {unknown:?}, ratio {ratio:.3}");
        ensure!((ratio - 1.0).abs() < MOST, "the time tells who has an account");
    }
    Ok(())
}

/// Whether the owner of this account has logged in from here.
fn is_owners(number: usize) -> bool {
    number.is_multiple_of(2)
}

/// Makes an account.
async fn settle(auth: &mut AuthServiceClient<Channel>, number: usize) -> anyhow::Result<()> {
    let username = format!("person-{number}");
    let (email, password) = (format!("{username}@example.org"), PASSWORD.to_owned());
    let request = RegisterRequest { username, email, password, ..Default::default() };
    auth.register(request).await?;
    Ok(())
}

/// Logs in as people do.
async fn log_in(auth: &mut AuthServiceClient<Channel>, number: usize) -> anyhow::Result<()> {
    let (username, password) = (format!("person-{number}"), PASSWORD.to_owned());
    auth.create_token(CreateTokenRequest { username, password }).await?;
    Ok(())
}

async fn refused(
    auth: &mut AuthServiceClient<Channel>,
    username: String,
) -> anyhow::Result<Duration> {
    let request = CreateTokenRequest { username, password: "a wrong password".to_owned() };
    let begun = Instant::now();
    let answer = auth.create_token(request).await;
    let elapsed = begun.elapsed();
    let code = answer.err().map(|status| status.code());
    ensure!(code == Some(Code::Unauthenticated), "answered {code:?}");
    Ok(elapsed)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
