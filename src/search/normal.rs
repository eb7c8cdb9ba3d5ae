//! The normal distribution truncated to an interval, in logarithms, so that intervals far out in a tail have a mass.
//!
//! The formulas are those of Optuna 5.0 (`optuna/samplers/_tpe/_truncnorm.py`), which come from SciPy's `truncnorm`.

use std::f64::consts::{LN_2, PI, SQRT_2};

/// ln √(2π).
pub(super) const LN_SQRT_2PI: f64 = 0.918_938_533_204_672_8;

/// The cumulative distribution of the standard normal distribution.
fn cdf(x: f64) -> f64 {
    let scaled = x / SQRT_2;
    if scaled < -1.0 / SQRT_2 {
        0.5 * libm::erfc(-scaled)
    } else if scaled < 1.0 / SQRT_2 {
        0.5 + 0.5 * libm::erf(scaled)
    } else {
        1.0 - 0.5 * libm::erfc(scaled)
    }
}

/// The logarithm of [`cdf`], right also where that has no digits left.
pub(super) fn ln_cdf(x: f64) -> f64 {
    if x > 6.0 {
        return -cdf(-x);
    }
    if x > -20.0 {
        return cdf(x).ln();
    }
    // The asymptotic series of the tail.
    let mut last = 0.0;
    let (mut sum, mut numerator, mut denominator, mut sign) = (1.0_f64, 1.0, 1.0, 1.0);
    let inverse_square = 1.0 / (x * x);
    let mut term = 0.0;
    while (last - sum).abs() > f64::EPSILON {
        term += 1.0;
        last = sum;
        sign = -sign;
        denominator *= inverse_square;
        numerator *= 2.0 * term - 1.0;
        sum += sign * numerator * denominator;
    }
    -0.5 * x * x - (-x).ln() - LN_SQRT_2PI + sum.ln()
}

/// The logarithm of the standard normal density.
pub(super) fn ln_density(x: f64) -> f64 {
    -(x * x) / 2.0 - LN_SQRT_2PI
}

/// The logarithm of the mass of the standard normal distribution from `low` to `high`.
pub(super) fn ln_mass(low: f64, high: f64) -> f64 {
    // The right tail has the digits of the left one, mirrored.
    let left = |low: f64, high: f64| {
        let (greater, lesser) = (ln_cdf(high), ln_cdf(low));
        greater + (-(lesser - greater).exp()).ln_1p()
    };
    if high <= 0.0 {
        left(low, high)
    } else if low > 0.0 {
        left(-high, -low)
    } else {
        let below = |x: f64| 0.5 + 0.5 * libm::erf(x / SQRT_2);
        (-below(low) - below(-high)).ln_1p()
    }
}

/// ln(eᵃ + eᵇ).
fn ln_sum(a: f64, b: f64) -> f64 {
    let difference = a - b;
    if difference == 0.0 {
        a + LN_2
    } else if difference > 0.0 {
        a + (-difference).exp().ln_1p()
    } else {
        b + difference.exp().ln_1p()
    }
}

/// The place that the share `share` of a standard normal distribution truncated to (`low`, `high`) lies below.
pub(super) fn quantile(share: f64, low: f64, high: f64) -> f64 {
    if share == 0.0 {
        return low;
    }
    let mass = ln_mass(low, high);
    if low < 0.0 {
        inverse_ln_cdf(ln_sum(ln_cdf(low), share.ln() + mass))
    } else {
        -inverse_ln_cdf(ln_sum(ln_cdf(-high), (-share).ln_1p() + mass))
    }
}

/// The x with [`ln_cdf`] of `target`, by Newton's method.
fn inverse_ln_cdf(target: f64) -> f64 {
    // Near 0 the other tail has more digits.
    let is_flipped = target > -1e-2;
    let target = if is_flipped { (-target.exp_m1()).ln() } else { target };
    let mut x = if target < -5.0 {
        -(-2.0 * (target + LN_SQRT_2PI)).sqrt()
    } else {
        // The logistic distribution of the same spread.
        -(3.0_f64.sqrt() / PI) * (-target).exp_m1().ln()
    };
    for _ in 0..100 {
        let here = ln_cdf(x);
        let change = (here - target) * (here - ln_density(x)).exp();
        x -= change;
        if change.abs() < 1e-8 * x.abs() {
            break;
        }
    }
    if is_flipped { -x } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tails_have_digits() {
        // scipy.special.log_ndtr.
        for (x, expected) in [
            (-40.0, -804.608_442_013_753_9),
            (-19.0, -184.366_128_669_160_96),
            (0.0, -LN_2),
            (8.0, -6.220_960_574_271_742e-16),
        ] {
            assert!((ln_cdf(x) - expected).abs() <= 1e-12 * expected.abs(), "{x}: {}", ln_cdf(x));
        }
    }

    #[test]
    fn a_quantile_has_its_share_below() {
        for (low, high) in [(-3.0, 4.0), (2.0, 2.5), (-30.0, -29.0), (0.0, 40.0), (-1e-3, 1e-3)] {
            for share in [1e-9, 0.1, 0.5, 0.99] {
                let x = quantile(share, low, high);
                assert!((low..=high).contains(&x), "{share} of {low} to {high}: {x}");
                let below = (ln_mass(low, x) - ln_mass(low, high)).exp();
                assert!((below - share).abs() < 1e-9, "{share} of {low} to {high}: {below}");
            }
        }
    }
}
