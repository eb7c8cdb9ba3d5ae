//! What a plain YAML scalar means: the YAML 1.2 core schema, in which `yes` is text and `1e-3` is a number.
//!
//! The parser resolves with it what it reads, and the writer asks it whether a text needs quotes.

/// A resolved scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number that 64 bits do not hold.
    HugeInt,
    /// May be NaN or infinite.
    Float(f64),
    /// The text beside it is the value.
    Text,
}

/// A plain scalar by the YAML 1.2 core schema (<https://yaml.org/spec/1.2.2/#1032-tag-resolution>).
pub(super) fn core_schema(text: &str) -> Scalar {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "true" | "True" | "TRUE" => return Scalar::Bool(true),
        "false" | "False" | "FALSE" => return Scalar::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        _ => {}
    }
    let (sign, unsigned) = match text.as_bytes()[0] {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return Scalar::Float(if sign == "-" { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix).filter(|digits| !digits.is_empty())
            && digits.chars().all(|digit| digit.is_digit(radix))
        {
            return i64::from_str_radix(digits, radix).map_or(Scalar::HugeInt, Scalar::Int);
        }
    }
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{sign}{unsigned}").parse().map_or(Scalar::HugeInt, Scalar::Int);
    }
    if is_float(unsigned) {
        return format!("{sign}{unsigned}").parse().map_or(Scalar::Text, Scalar::Float);
    }
    Scalar::Text
}

/// `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mantissa_is_number = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_is_number = exponent.is_none_or(|part| {
        let part = part.strip_prefix(['-', '+']).unwrap_or(part);
        !part.is_empty() && digits(part)
    });
    mantissa_is_number && exponent_is_number
}
