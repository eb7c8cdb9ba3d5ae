//! Which signs a terminal can show: those of its locale.
//!
//! Asked by whatever writes for the eye. Where the locale says outright that it has no Unicode, as `LC_ALL=C` does, rules and
//! dashes are plain ASCII; where nothing is set, as in most containers, a terminal of today is taken for granted.

use std::{borrow::Cow, env, sync::OnceLock};

/// The text with the signs that Gridboard itself draws made plain, where the locale has no others. What it quotes stays.
#[must_use]
pub fn for_locale(text: &str) -> Cow<'_, str> {
    static PLAIN: OnceLock<bool> = OnceLock::new();
    let is_plain = *PLAIN.get_or_init(|| {
        let set = |name| env::var(name).ok().filter(|value| !value.is_empty());
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).is_some_and(|locale| !has_unicode(&locale))
    });
    if is_plain { plain(text) } else { Cow::Borrowed(text) }
}

/// `en_GB.UTF-8` and `C.utf8` have it; `C`, `POSIX`, `de_DE` and `de_DE.ISO-8859-1` do not.
fn has_unicode(locale: &str) -> bool {
    let locale = locale.to_ascii_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Each sign becomes one of as many columns, so that tables stay straight.
fn plain(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let sign = |letter| match letter {
        '─' | '–' | '—' | '━' => '-',
        '█' | '▉' | '▊' | '▋' | '▌' => '#',
        '…' => '~',
        '±' => '+',
        '×' => 'x',
        '·' => '.',
        other => other,
    };
    Cow::Owned(text.replace("± sd", "+-sd").chars().map(sign).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_says_whether_it_has_unicode() {
        for (locale, expected) in [
            ("C", false),
            ("POSIX", false),
            ("C.UTF-8", true),
            ("en_GB.utf8", true),
            ("de_DE.ISO-8859-1", false),
            ("de_DE", false),
        ] {
            assert_eq!(has_unicode(locale), expected, "{locale}");
        }
    }

    #[test]
    fn plain_signs_are_as_wide_as_those_that_they_stand_for() {
        let text = "± sd ─── .775–.837 é …";
        assert_eq!(plain(text), "+-sd --- .775-.837 é ~");
        assert_eq!(plain(text).chars().count(), text.chars().count());
        assert!(matches!(plain("abc"), Cow::Borrowed(_)));
    }
}
