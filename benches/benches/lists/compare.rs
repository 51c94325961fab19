//! A list's last page, held against its first.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::{CALLS, MOST};

/// How often [`CALLS`] are made before a bad ratio is believed: whatever else the machine does can only add to the quickest.
const ROUNDS: usize = 8;

/// Prints what the first and the last full page of a list cost, and the larger ratio.
pub async fn compare(
    name: &str,
    ask: impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<f64> {
    let mut worst = 0.0_f64;
    let mut from = String::new();
    for size in [1000, 2] {
        // Of the pages of two, only those after the last full page of a thousand are walked.
        let last = last(size, from.clone(), &ask).await?;
        if last.is_empty() {
            ensure!(size != 2, "{name}: there is no second page: fill in more tasks");
            println!("{name}, {size} a page: there is no second page");
            continue;
        }
        let (mut first_page, mut last_page, mut ratio) = (Duration::MAX, Duration::MAX, 0.0);
        for _ in 0..ROUNDS {
            for _ in 0..CALLS {
                first_page = first_page.min(time(size, "", &ask).await?);
                last_page = last_page.min(time(size, &last, &ask).await?);
            }
            ratio = last_page.as_secs_f64() / first_page.as_secs_f64();
            if ratio <= MOST {
                break;
            }
        }
        println!(
            "{name}, {size} a page: first {first_page:?}, last {last_page:?}, ratio {ratio:.2}"
        );
        worst = worst.max(ratio);
        from = last;
    }
    Ok(worst)
}

/// The token of the last full page, walking from the page at `token`; empty if that is the first page.
async fn last(
    size: i32,
    mut token: String,
    ask: &impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<String> {
    let (_, mut next) = ask(size, token.clone()).await?;
    while !next.is_empty() {
        let (rows, after) = ask(size, next.clone()).await?;
        if after.is_empty() && i32::try_from(rows)? < size {
            break;
        }
        token = next;
        next = after;
    }
    Ok(token)
}

/// How long a page takes.
pub async fn time(
    size: i32,
    token: &str,
    ask: &impl AsyncFn(i32, String) -> anyhow::Result<(usize, String)>,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    ask(size, token.to_owned()).await?;
    Ok(begun.elapsed())
}

/// The middle one.
pub fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
