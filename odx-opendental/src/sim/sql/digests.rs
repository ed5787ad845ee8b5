//! MySQL's functions by which many rows come to one number.

use md5::{Digest as _, Md5};
use rusqlite::Connection;
use rusqlite::functions::{Aggregate, Context, FunctionFlags};

use super::functions::text;

pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    let fixed = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("md5", 1, fixed, |cx| {
        Ok(text(cx, 0).map(|text| {
            let digest = Md5::digest(text);
            digest
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        }))
    })?;
    // From one base to another, as text; here from any to 10.
    conn.create_scalar_function("conv", 3, fixed, |cx| {
        let from = u32::try_from(cx.get::<i64>(1)?).unwrap_or(10);
        let known = (2..=36).contains(&from) && cx.get::<i64>(2)? == 10;
        Ok(text(cx, 0)
            .filter(|_| known)
            .and_then(|text| u64::from_str_radix(&text, from).ok())
            .map(|number| number.to_string()))
    })?;
    conn.create_aggregate_function("bit_xor", 1, fixed, BitXor)
}

struct BitXor;

impl Aggregate<i64, i64> for BitXor {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<i64> {
        Ok(0)
    }

    fn step(&self, cx: &mut Context<'_>, sum: &mut i64) -> rusqlite::Result<()> {
        *sum ^= cx.get::<Option<i64>>(0)?.unwrap_or(0);
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sum: Option<i64>) -> rusqlite::Result<i64> {
        Ok(sum.unwrap_or(0))
    }
}
