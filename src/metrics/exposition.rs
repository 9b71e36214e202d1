//! The two forms of the page: OpenMetrics, as the library writes it, and the text format that was before it.
//!
//! They differ in little: in the older one a counter's name has its `_total` everywhere, units are not told, and
//! nothing marks the end. Prometheus asks for OpenMetrics; `curl`, `promtool check metrics` and many agents know the
//! older form only.

use std::borrow::Cow;

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// <https://prometheus.io/docs/specs/om/open_metrics_spec/>
    OpenMetrics,
    /// <https://prometheus.io/docs/instrumenting/exposition_formats/>
    Text,
}

impl Format {
    /// What the client accepts; the text format unless it names the other.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Text }
    }

    /// As HTTP calls it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// In this format what is in OpenMetrics.
    pub(super) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => text(&open_metrics),
        }
    }
}

fn text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        // A help comes before the type which decides on the name.
        let is_counter = [Some(&line), lines.peek()].into_iter().flatten().any(|line| is_type_of_counter(line));
        let line: Cow<'_, str> = match line.split_once(' ').and_then(|(hash, rest)| Some((hash, rest.split_once(' ')?)))
        {
            _ if line == "# EOF" => continue,
            Some(("#", ("UNIT", _))) => continue,
            Some(("#", (keyword @ ("HELP" | "TYPE"), rest))) if is_counter => {
                let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
                format!("# {keyword} {name}_total {rest}").into()
            }
            _ => line.into(),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn is_type_of_counter(line: &str) -> bool {
    line.starts_with("# TYPE ") && line.ends_with(" counter")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_format_has_other_names_for_counters_and_neither_units_nor_an_end() {
        let open = "# HELP a Things.\n# TYPE a counter\na_total{x=\"# TYPE y counter\"} 1\n\
                    # HELP b_seconds Time.\n# TYPE b_seconds gauge\n# UNIT b_seconds seconds\nb_seconds 2.0\n\
                    # HELP c_seconds Time.\n# TYPE c_seconds counter\n# UNIT c_seconds seconds\nc_seconds_total 2.0\n\
                    # EOF\n";
        let text = "# HELP a_total Things.\n# TYPE a_total counter\na_total{x=\"# TYPE y counter\"} 1\n\
                    # HELP b_seconds Time.\n# TYPE b_seconds gauge\nb_seconds 2.0\n\
                    # HELP c_seconds_total Time.\n# TYPE c_seconds_total counter\nc_seconds_total 2.0\n";
        assert_eq!(Format::Text.of(open.into()), text);
        assert_eq!(Format::OpenMetrics.of(open.into()), open);
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        for accept in ["", "*/*", "text/plain;version=0.0.4"] {
            assert_eq!(Format::accepted(accept), Format::Text, "{accept}");
        }
    }
}
