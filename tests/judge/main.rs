//! The judge: what it sees in a corpus of changes to tests, and what a story does with what it sees.
#![allow(clippy::unwrap_used)]

mod corpus;
mod corpus_dotnet;
mod corpus_go;
mod corpus_java;
mod corpus_python;
mod corpus_rust;
mod corpus_script;
mod measured;
