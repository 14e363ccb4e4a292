//! When a rate limit is over, from the words of a message. Agents say it in many ways, and none of them is an interface: what
//! is not understood is none, and the wait is then chosen by the engine.
//!
//! Seen: `Please try again in 2 hours` (Copilot CLI), `Retry-After: 25` (HTTP), `resets 3pm (Europe/Berlin)` and
//! `limit reached|1764600000` (Claude Code), `try again in 3 days 4 hours 12 minutes` (Codex), RFC 3339 times.

use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

/// Words behind which a span stands.
const SPAN_MARKS: [&str; 6] = ["again in", "retry in", "resets in", "reset in", "retry after", "wait"];
/// Words behind which a time of the clock stands.
const CLOCK_MARKS: [&str; 6] = ["again at", "resets at", "reset at", "resets", "again after", "until"];
/// Most words of a span: `3 days, 4 hours, 12 minutes and 5 seconds`.
const SPAN_WORDS_MAX: usize = 10;
/// The longest that a limit lasts.
const MOMENT_MAX: SignedDuration = SignedDuration::from_hours(60 * 24);
/// A number above this that stands for a time counts seconds since 1970.
const UNIX_SECONDS_MIN: i64 = 1_500_000_000;

/// Seconds from `now` until the limit is over, if the message says so.
pub(super) fn retry_after_s(message: &str, now: &Zoned) -> Option<u64> {
    let text = message.to_lowercase();
    let found = header(&text)
        .or_else(|| SPAN_MARKS.iter().find_map(|mark| behind(&text, mark).find_map(span)))
        .or_else(|| moment(message, now))
        .or_else(|| CLOCK_MARKS.iter().find_map(|mark| behind(&text, mark).find_map(|rest| clock(rest, message, now))))?;
    u64::try_from(found.as_secs()).ok()
}

/// What stands behind each occurrence of a mark.
fn behind<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(mark).map(move |(at, _)| text[at + mark.len()..].trim_start_matches([' ', ':', '=', '~', '\u{a0}']))
}

/// `retry-after: 25`, in seconds; also with `_`, `=` and quotes.
fn header(text: &str) -> Option<SignedDuration> {
    let name = text.replace('_', "-");
    let rest = behind(&name, "retry-after").next()?.trim_start_matches(['"', '\'', ':', '=', ' ']).to_owned();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    // `retry-after-ms` is another field, and a date is no number of seconds.
    let follows = rest[digits.len()..].chars().next();
    if follows.is_some_and(char::is_alphabetic) || digits.is_empty() {
        return span(&rest);
    }
    digits.parse().ok().map(SignedDuration::from_secs)
}

/// The longest beginning that is a span: `2 hours`, `1h 5m`, `15 hours and 23 minutes`, `about an hour`.
fn span(text: &str) -> Option<SignedDuration> {
    let words: Vec<String> = text
        .split_whitespace()
        .filter(|word| !matches!(*word, "and" | "about" | "approximately" | "around" | "another" | "for"))
        .take(SPAN_WORDS_MAX)
        .map(|word| word.trim_end_matches(['.', ',', ';', ')', '!', '"']).trim_start_matches(['(', '"']))
        .map(|word| if matches!(word, "a" | "an" | "one") { "1".to_owned() } else { word.to_owned() })
        .collect();
    (1..=words.len()).rev().find_map(|count| exact(&words[..count])).filter(SignedDuration::is_positive)
}

/// A span of whole words. Weeks and days are no exact time elsewhere; for a limit a day has 24 hours.
fn exact(words: &[String]) -> Option<SignedDuration> {
    let (mut sum, mut rest) = (SignedDuration::ZERO, vec![]);
    for word in words {
        let hours = match word.as_str() {
            "day" | "days" | "d" => 24,
            "week" | "weeks" | "w" => 7 * 24,
            _ => {
                rest.push(word.as_str());
                continue;
            }
        };
        let count: i64 = rest.pop()?.parse().ok()?;
        sum = sum.checked_add(SignedDuration::try_from_hours(count.checked_mul(hours)?)?)?;
    }
    if rest.is_empty() { Some(sum) } else { sum.checked_add(rest.join(" ").parse().ok()?) }
}

/// A moment that is written out: RFC 3339, or seconds since 1970 behind `reset` or `|`.
fn moment(message: &str, now: &Zoned) -> Option<SignedDuration> {
    let written = message.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | ')' | '|' | ',' | '<' | '>' | '='));
    let found = written.map(|word| word.trim_end_matches(['.', ';', '!', ':'])).find_map(|word| {
        let seconds = word.parse::<i64>().ok().filter(|seconds| *seconds > UNIX_SECONDS_MIN);
        let seconds = seconds.map(|value| if value > UNIX_SECONDS_MIN * 1000 { value / 1000 } else { value });
        seconds.and_then(|seconds| Timestamp::from_second(seconds).ok()).or_else(|| word.parse::<Timestamp>().ok())
    })?;
    // Another number may look like a time, but not like one of the next weeks.
    ahead(found.duration_since(now.timestamp())).filter(|span| *span < MOMENT_MAX)
}

/// A time of the clock, the next that comes: `3pm`, `3:45 pm (Europe/Berlin)`, `15:30 UTC`.
fn clock(rest: &str, message: &str, now: &Zoned) -> Option<SignedDuration> {
    let mut words = rest.split_whitespace().map(|word| word.trim_matches(['(', ')', ',', '.', ';', '"']));
    let first = words.next()?;
    let second = words.next().unwrap_or_default();
    let (digits, half) =
        match first.strip_suffix("am").map(|digits| (digits, "am")).or(first.strip_suffix("pm").map(|digits| (digits, "pm"))) {
            Some(found) => found,
            None => (first, if matches!(second, "am" | "pm") { second } else { "" }),
        };
    let (hour, minute) = digits.split_once(':').unwrap_or((digits, "0"));
    // Without minutes and half of the day, a number is no time.
    if half.is_empty() && !digits.contains(':') {
        return None;
    }
    let (hour, minute): (i8, i8) = (hour.parse().ok()?, minute.parse().ok()?);
    let hour = match half {
        "am" if hour == 12 => 0,
        "pm" if hour < 12 => hour + 12,
        _ => hour,
    };
    let zone = zone_in(message).unwrap_or_else(|| now.time_zone().clone());
    let here = now.with_time_zone(zone);
    let today = here.with().time(Time::new(hour, minute, 0, 0).ok()?).build().ok()?;
    let next = if today > here { today } else { today.tomorrow().ok()? };
    ahead(next.timestamp().duration_since(now.timestamp()))
}

/// The name of a time zone in a text, if there is one: `UTC`, `Europe/Berlin`.
fn zone_in(message: &str) -> Option<TimeZone> {
    message.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | '.')).find_map(|word| match word {
        "UTC" | "GMT" | "Z" => Some(TimeZone::UTC),
        word if word.contains('/') => TimeZone::get(word).ok(),
        _ => None,
    })
}

fn ahead(span: SignedDuration) -> Option<SignedDuration> {
    span.is_positive().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(message: &str) -> Option<u64> {
        let now: Zoned = "2026-03-05T14:00:00+00:00[UTC]".parse().unwrap();
        retry_after_s(message, &now)
    }

    #[test]
    fn what_agents_are_known_to_say_is_read() {
        const H: u64 = 3600;
        for (message, wanted) in [
            ("Sorry, you have hit a rate limit that restricts the number of model requests. Please try again in 2 hours.", 2 * H),
            ("Please try again in 15 hours 23 minutes", 15 * H + 23 * 60),
            ("try again in 58 hours, 3 minutes and 1 second.", 58 * H + 181),
            ("You've hit your usage limit. Try again in 3 days 4 hours 12 minutes.", 76 * H + 12 * 60),
            ("try again in an hour", H),
            ("Rate limit reached. Please try again in 20s. Visit the page", 20),
            ("Please wait 5 minutes before you retry", 300),
            ("try again in 1h 5m", H + 300),
            ("429 Too Many Requests; Retry-After: 25", 25),
            ("{\"retry_after\": 7, \"code\": 1}", 7),
            ("retry after 30 seconds", 30),
            ("5-hour limit reached, resets 3pm (UTC)", H),
            ("limit reached; resets at 3:45 PM (Europe/Berlin)", 45 * 60),
            ("Your limit resets 1pm", 23 * H),
            ("usage limit reached|1772722800", H),
            ("You can send requests again at 2026-03-05T15:30:00Z.", 90 * 60),
            ("try again at 16:30 UTC", 2 * H + 1800),
        ] {
            assert_eq!(at(message), Some(wanted), "{message}");
        }
    }

    #[test]
    fn what_says_no_time_is_none() {
        for message in [
            "",
            "rate limited",
            "429 too many requests",
            "Please try again later.",
            "try again in a moment",
            "retried 5 times (total retry wait time: 5.45 seconds) Last error: 429",
            "the limit was reset at 2026-03-05T13:30:00Z",
            "you used 3000000000 of 5 tokens until now",
            "wait for it",
        ] {
            assert_eq!(at(message), None, "{message}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,200}", number in proptest::prelude::any::<i64>()) {
            at(&text);
            at(&format!("try again in {number} days, resets at {number}:{number}pm, retry-after: {number}|{number}"));
            at(&format!("resets {text}"));
        }
    }
}
