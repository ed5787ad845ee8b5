//! The little that a template may hold beside text.

use super::lint::{Finding, Rule};

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text, as it is.
    Text(&'a str),
    /// `{{ name }}`.
    Value {
        name: &'a str,
        /// Whether it stands outside of every condition.
        always: bool,
    },
    /// `{% if name %}`.
    If(&'a str),
    /// `{% else %}`.
    Else,
    /// `{% endif %}`.
    EndIf,
}

/// Takes a template apart. Anything but text, `{{ name }}` and `{% if name %}`
/// is refused, so that a template cannot compute, repeat or include.
pub(super) fn parse(source: &str) -> Result<Vec<Part<'_>>, Finding> {
    let refuse = |what: &str| Err(Finding::refuse(Rule::TemplateSyntax, what));
    if source.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return refuse("a template holds no control characters: take them out");
    }
    let mut parts = Vec::new();
    // For each condition that is open, whether its `else` has come.
    let mut open: Vec<bool> = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['{', '}', '%', '#']) {
        let (text, tag) = rest.split_at_checked(at).unwrap_or((rest, ""));
        if ["}}", "%}", "#}"].iter().any(|end| tag.starts_with(end)) {
            return refuse("a tag ends that did not begin: write {{ name }}");
        }
        if tag.starts_with("{#") {
            return refuse("a template holds no comments: take {# .. #} out");
        }
        let (end, value) = match tag.get(..2) {
            Some("{{") => ("}}", true),
            Some("{%") => ("%}", false),
            _ => {
                // A sign by itself is text.
                let (text, after) = rest.split_at_checked(at + 1).unwrap_or((rest, ""));
                parts.push(Part::Text(text));
                rest = after;
                continue;
            }
        };
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let body = tag.get(2..).and_then(|body| body.split_once(end));
        let Some((body, after)) = body else {
            return refuse("a tag does not end: write {{ name }}");
        };
        let words: Vec<&str> = body.split_ascii_whitespace().collect();
        parts.push(match *words.as_slice() {
            [name] if value && is_name(name) => Part::Value {
                name,
                always: open.is_empty(),
            },
            ["if", name] if !value && is_name(name) => {
                open.push(false);
                Part::If(name)
            }
            ["else"] if !value => match open.last_mut() {
                Some(seen) if !*seen => {
                    *seen = true;
                    Part::Else
                }
                _ => return refuse("{% else %} belongs to an {% if name %}, once"),
            },
            ["endif"] if !value => match open.pop() {
                Some(_) => Part::EndIf,
                None => return refuse("{% endif %} ends no {% if name %}"),
            },
            _ => {
                return refuse(
                    "only {{ name }} and {% if name %}..{% else %}..{% endif %} can stand in a template",
                );
            }
        });
        rest = after;
    }
    if !open.is_empty() {
        return refuse("an {% if name %} does not end: add {% endif %}");
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.len() <= 64
        // Words of the template language are no names.
        && !["true", "false", "none", "not", "and", "or", "in", "is", "if", "else"]
            .contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_values_and_conditions_are_taken_apart() {
        let parts = parse("50% {a} {{ x }}{% if y %}b{{y}}{% else %}#{% endif %}").unwrap();
        let always = Part::Value {
            name: "x",
            always: true,
        };
        let within = Part::Value {
            name: "y",
            always: false,
        };
        assert!(parts.contains(&always) && parts.contains(&within));
        assert!(parts.contains(&Part::If("y")) && parts.contains(&Part::EndIf));
    }

    #[test]
    fn whatever_computes_repeats_or_includes_is_refused() {
        for source in [
            "{{ 1 + 1 }}",
            "{{ a.b }}",
            "{{ a|upper }}",
            "{{ a() }}",
            "{{ 'x' }}",
            "{{ a[0] }}",
            "{{- a }}",
            "{{ a -}}",
            "{{ a ~ b }}",
            "{% for x in y %}{% endfor %}",
            "{% include 'x' %}",
            "{% macro x() %}{% endmacro %}",
            "{% set x = 1 %}",
            "{% raw %}{% endraw %}",
            "{% if not x %}{% endif %}",
            "{% if x is defined %}{% endif %}",
            "{% if x == 1 %}{% endif %}",
            "{% elif x %}",
            "{# no #}",
            "{{ true }}",
            "{{",
            "{{ a",
            "a }}",
            "{% if x %}",
            "{% endif %}",
            "{% else %}",
            "{% if x %}{% else %}{% else %}{% endif %}",
            "{{}}",
            "{{ é }}",
            "{{{ a }}}",
            "a\0b",
            "%}",
        ] {
            let finding = parse(source).unwrap_err();
            assert_eq!(finding.rule, Rule::TemplateSyntax, "{source}");
        }
    }
}
