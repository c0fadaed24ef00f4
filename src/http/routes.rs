//! A router to which no route can be added without a rule.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use tower::timeout::TimeoutLayer;
use tower::{BoxError, ServiceBuilder};

use super::auth::{Access, guard};
use super::limits::{LONG_REQUEST_TIME, REQUEST_TIME};
use super::problem::ApiError;
use super::state::ApiState;

/// A route and who may use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
}

/// Routes and their rules, as they are added.
pub struct Routes {
    state: ApiState,
    router: Router<ApiState>,
    rules: Vec<Rule>,
}

impl Routes {
    /// None yet.
    pub(super) fn new(state: ApiState) -> Routes {
        Routes { state, router: Router::new(), rules: Vec::new() }
    }

    /// What was added.
    pub(super) fn into_parts(self) -> (Router<ApiState>, Vec<Rule>) {
        (self.router, self.rules)
    }

    /// Adds a GET (and HEAD).
    pub(super) fn get<H, T>(self, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::GET, path, access, REQUEST_TIME, on(MethodFilter::GET, handler))
    }

    /// Adds a GET that may take long.
    pub(super) fn long_get<H, T>(self, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::GET, path, access, LONG_REQUEST_TIME, on(MethodFilter::GET, handler))
    }

    /// Adds a POST.
    pub(super) fn post<H, T>(self, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::POST, path, access, REQUEST_TIME, on(MethodFilter::POST, handler))
    }

    /// Adds a POST that may take long.
    pub(super) fn long_post<H, T>(self, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::POST, path, access, LONG_REQUEST_TIME, on(MethodFilter::POST, handler))
    }

    /// Adds a PATCH.
    pub(super) fn patch<H, T>(self, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::PATCH, path, access, REQUEST_TIME, on(MethodFilter::PATCH, handler))
    }

    /// Adds a DELETE.
    pub(super) fn delete<H, T>(self, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::DELETE, path, access, REQUEST_TIME, on(MethodFilter::DELETE, handler))
    }

    fn add(
        mut self,
        method: Method,
        path: &'static str,
        access: Access,
        time: Duration,
        handler: MethodRouter<ApiState, Infallible>,
    ) -> Routes {
        let guarded = handler.route_layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state((self.state.clone(), access), guard))
                .layer(HandleErrorLayer::new(async |_: BoxError| ApiError::TimedOut))
                .layer(TimeoutLayer::new(time)),
        );
        self.router = self.router.route(path, guarded);
        self.rules.push(Rule { method, path, access });
        self
    }
}
