//! Bounds the runs of a program: every iteration, call and operation of it passes a function that counts, and
//! stops the run at the limit in a way that no `try` catches.

use jaq_core::box_iter::box_once;
use jaq_core::data::HasLut;
use jaq_core::load::lex::StrPart;
use jaq_core::load::parse;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term};
use jaq_core::native::Fun;
use jaq_core::path::{Part, Path};
use jaq_core::{DataT, Exn, Lut, Native, ops};
use jaq_json::Val;
use std::cell::Cell;

/// Name of the function that counts.
const STEP: &str = "credwatch_step";
/// Name of the definition that a factor of a product passes.
const FACTOR: &str = "credwatch_factor";
const FACTOR_VARIABLE: &str = "$credwatch_factor";
/// Maximum size of a text in bytes, or of a list in elements.
const VALUE_SIZE: usize = 4 << 20;

/// The type of data of a metered run.
pub(super) struct Metered;

impl DataT for Metered {
    type V<'a> = Val;
    type Data<'a> = Meter<'a>;
}

/// What a run has left.
#[derive(Clone, Copy)]
pub(super) struct Meter<'a> {
    table: &'a Lut<Metered>,
    left: &'a Cell<u32>,
}

impl<'a> Meter<'a> {
    pub(super) fn new(table: &'a Lut<Metered>, left: &'a Cell<u32>) -> Self {
        Self { table, left }
    }

    fn spend(&self, value: &Val) -> Result<(), Exn<'a, Val>> {
        let size = match value {
            Val::TStr(text) | Val::BStr(text) => text.len(),
            Val::Arr(elements) => elements.len(),
            _ => 0,
        };
        match self.left.get().checked_sub(1) {
            Some(left) if size <= VALUE_SIZE => {
                self.left.set(left);
                Ok(())
            }
            _ => Err(Exn::halt(1)),
        }
    }
}

impl<'a> HasLut<'a, Metered> for Meter<'a> {
    fn lut(&self) -> &'a Lut<Metered> {
        self.table
    }
}

/// The function that counts: the identity, which fails at the limit.
pub(super) fn step() -> Fun<Metered> {
    let native = Native::<Metered>::new(|(context, value)| {
        box_once(context.data().spend(&value).map(|()| value))
    })
    .with_paths(|(context, at)| box_once(context.data().spend(&at.0).map(|()| at)))
    .with_update(
        |(context, value), update| match context.data().spend(&value) {
            Ok(()) => update(value),
            Err(stopped) => box_once(Err(stopped)),
        },
    );
    (STEP, Box::new([]), native)
}

fn call_step<'s>() -> Term<&'s str> {
    Term::Call(STEP, Vec::new())
}

fn pipe<'s>(left: Term<&'s str>, right: Term<&'s str>) -> Term<&'s str> {
    Term::BinOp(Box::new(left), BinaryOp::Pipe(None), Box::new(right))
}

/// A definition of the library, each call of which is counted: its recursions are in tail position, or as
/// deep as a value.
pub(super) fn of_library<'s>(def: Def<&'static str>) -> Def<&'s str> {
    Def {
        body: pipe(call_step(), def.body),
        ..def
    }
}

/// Fails for a text, which a product would repeat.
pub(super) fn factor<'s>() -> Option<Def<&'s str>> {
    let body = "if isstring then error(\"a text is not multiplied\") else . end";
    parse(body, |parser| parser.term()).map(|body| Def {
        name: FACTOR,
        args: Vec::new(),
        body,
    })
}

/// The program `term`, counted, or the name of a definition that calls itself.
pub(super) fn of_program(term: Term<&str>) -> Result<Term<&str>, String> {
    Rewriter::default().term(term)
}

/// Rewrites a program.
#[derive(Default)]
struct Rewriter<'s> {
    /// Names and arities of the definitions around a term.
    around: Vec<(&'s str, usize)>,
}

impl<'s> Rewriter<'s> {
    fn term(&mut self, term: Term<&'s str>) -> Result<Term<&'s str>, String> {
        Ok(match term {
            Term::Id | Term::Num(_) | Term::Var(_) | Term::Break(_) => term,
            Term::Recurse => pipe(term, call_step()),
            Term::Str(format, parts) => Term::Str(format, self.parts(parts)?),
            Term::Arr(inner) => Term::Arr(inner.map(|inner| self.boxed(inner)).transpose()?),
            Term::Obj(entries) => {
                let entry = |(key, value): (_, Option<_>)| {
                    let key = self.term(key)?;
                    Ok((key, value.map(|value| self.term(value)).transpose()?))
                };
                Term::Obj(
                    entries
                        .into_iter()
                        .map(entry)
                        .collect::<Result<_, String>>()?,
                )
            }
            Term::Neg(inner) => Term::Neg(self.boxed(inner)?),
            Term::BinOp(left, operator, right) => self.operation(left, operator, right)?,
            Term::Label(name, inner) => Term::Label(name, self.boxed(inner)?),
            Term::Fold(name, items, pattern, steps) => Term::Fold(
                name,
                self.boxed(items)?,
                self.pattern(pattern)?,
                self.terms(steps)?,
            ),
            Term::TryCatch(inner, caught) => Term::TryCatch(
                self.boxed(inner)?,
                caught.map(|caught| self.boxed(caught)).transpose()?,
            ),
            Term::IfThenElse(branches, otherwise) => {
                let branch = |(condition, then)| {
                    let condition = pipe(self.term(condition)?, call_step());
                    Ok((condition, self.term(then)?))
                };
                let branches = branches.into_iter().map(branch);
                let branches = branches.collect::<Result<_, String>>()?;
                let otherwise = otherwise.map(|inner| self.boxed(inner)).transpose()?;
                Term::IfThenElse(branches, otherwise)
            }
            Term::Def(defs, inner) => {
                let defs = defs.into_iter().map(|def| self.def(def));
                Term::Def(defs.collect::<Result<_, String>>()?, self.boxed(inner)?)
            }
            Term::Call(name, arguments) => {
                if self.around.contains(&(name, arguments.len())) {
                    return Err(name.to_owned());
                }
                pipe(Term::Call(name, self.terms(arguments)?), call_step())
            }
            Term::Path(head, path) => self.path(head, path)?,
        })
    }

    fn boxed(&mut self, mut term: Box<Term<&'s str>>) -> Result<Box<Term<&'s str>>, String> {
        *term = self.term(std::mem::take(&mut *term))?;
        Ok(term)
    }

    fn terms(&mut self, terms: Vec<Term<&'s str>>) -> Result<Vec<Term<&'s str>>, String> {
        terms.into_iter().map(|term| self.term(term)).collect()
    }

    fn parts(
        &mut self,
        parts: Vec<StrPart<&'s str, Term<&'s str>>>,
    ) -> Result<Vec<StrPart<&'s str, Term<&'s str>>>, String> {
        let part = |part| {
            Ok(match part {
                StrPart::Term(term) => StrPart::Term(self.term(term)?),
                other => other,
            })
        };
        parts.into_iter().map(part).collect()
    }

    fn def(
        &mut self,
        def: Def<&'s str, Term<&'s str>>,
    ) -> Result<Def<&'s str, Term<&'s str>>, String> {
        self.around.push((def.name, def.args.len()));
        let body = self.term(def.body)?;
        self.around.pop();
        Ok(Def {
            body: pipe(call_step(), body),
            ..def
        })
    }

    fn pattern(&mut self, pattern: Pattern<&'s str>) -> Result<Pattern<&'s str>, String> {
        Ok(match pattern {
            Pattern::Var(name) => Pattern::Var(name),
            Pattern::Arr(inner) => {
                let inner = inner.into_iter().map(|inner| self.pattern(inner));
                Pattern::Arr(inner.collect::<Result<_, String>>()?)
            }
            Pattern::Obj(entries) => {
                let entry = |(key, inner)| Ok((self.term(key)?, self.pattern(inner)?));
                Pattern::Obj(
                    entries
                        .into_iter()
                        .map(entry)
                        .collect::<Result<_, String>>()?,
                )
            }
        })
    }

    /// An operation, each result of which is counted. A product of a text is refused: its size would be a
    /// number of the record.
    fn operation(
        &mut self,
        left: Box<Term<&'s str>>,
        operator: BinaryOp<&'s str>,
        right: Box<Term<&'s str>>,
    ) -> Result<Term<&'s str>, String> {
        if let BinaryOp::UpdateMath(ops::Math::Mul) = operator {
            let product = Term::BinOp(
                Box::new(Term::Id),
                BinaryOp::Math(ops::Math::Mul),
                Box::new(Term::Var(FACTOR_VARIABLE)),
            );
            let update = Term::BinOp(left, BinaryOp::Update, Box::new(product));
            let factor = BinaryOp::Pipe(Some(Pattern::Var(FACTOR_VARIABLE)));
            return self.operation(right, factor, Box::new(update));
        }
        let (mut left, mut right) = (self.boxed(left)?, self.boxed(right)?);
        let operator = match operator {
            BinaryOp::Pipe(Some(pattern)) => BinaryOp::Pipe(Some(self.pattern(pattern)?)),
            other => other,
        };
        if let BinaryOp::Math(ops::Math::Mul) = operator {
            let factor = || Term::Call(FACTOR, Vec::new());
            left = Box::new(pipe(*left, factor()));
            right = Box::new(pipe(*right, factor()));
        }
        let is_counted = matches!(operator, BinaryOp::Math(_) | BinaryOp::Cmp(_));
        let operation = Term::BinOp(left, operator, right);
        Ok(match is_counted {
            true => pipe(operation, call_step()),
            false => operation,
        })
    }

    fn path(
        &mut self,
        head: Box<Term<&'s str>>,
        Path(parts): Path<Term<&'s str>>,
    ) -> Result<Term<&'s str>, String> {
        let mut iterates = false;
        let head = self.boxed(head)?;
        let mut rewritten = Vec::with_capacity(parts.len());
        for (part, optional) in parts {
            let part = match part {
                Part::Index(index) => Part::Index(self.term(index)?),
                Part::Range(from, to) => {
                    iterates = true;
                    let mut end = |end: Option<_>| end.map(|end| self.term(end)).transpose();
                    Part::Range(end(from)?, end(to)?)
                }
            };
            rewritten.push((part, optional));
        }
        let path = Term::Path(head, Path(rewritten));
        Ok(match iterates {
            true => pipe(path, call_step()),
            false => path,
        })
    }
}
