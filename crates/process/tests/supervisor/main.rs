//! The supervisor's rules, told in words of its users, and its simulation.

mod desk;
mod one_app;
