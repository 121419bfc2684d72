//! The supervisor's rules, told in words of its users, and its simulation.

mod desk;
mod one_app;
mod scale;
mod several_apps;
mod simulation;
mod upgrade;
mod world;
