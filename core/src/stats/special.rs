//! Distribution functions built on `libm`.

/// P(Z ≥ z) for a standard normal Z; exact to the precision of `libm::erfc`.
#[must_use]
pub fn normal_upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}

/// ln B(a, b), the logarithm of the beta function; `a`, `b` > 0.
#[must_use]
pub fn ln_beta(a: f64, b: f64) -> f64 {
    libm::lgamma(a) + libm::lgamma(b) - libm::lgamma(a + b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{ContinuousCDF, Normal};
    use statrs::function::beta::ln_beta as reference_ln_beta;

    #[test]
    fn agrees_with_statrs() {
        let normal = Normal::new(0.0, 1.0).unwrap();
        for z in [-3.0, -0.5, 0.0, 0.3, 1.0, 2.5, 6.0] {
            assert!(
                (normal_upper_tail(z) / normal.sf(z) - 1.0).abs() < 1e-9,
                "{z}"
            );
        }
        for (a, b) in [(0.5, 0.5), (2.0, 30.0), (400.0, 3.0)] {
            assert!((ln_beta(a, b) - reference_ln_beta(a, b)).abs() < 1e-9);
        }
    }
}
