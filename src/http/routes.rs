//! A router to which no route can be added without a rule and a description.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, on};
use tokio::time::timeout;
use tower::ServiceBuilder;

use super::auth::{Access, guard};
use super::openapi::Operation;
use super::problem::ApiError;
use super::serve::Times;
use super::state::ApiState;

/// A route, who may use it, and what it takes and answers.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The method.
    pub method: Method,
    /// The path, parameters in braces.
    pub path: &'static str,
    /// Who may use it.
    pub access: Access,
    /// What it takes and answers.
    pub operation: Operation,
}

/// How long a request to a route may take.
#[derive(Clone, Copy)]
enum Length {
    Usual,
    Long,
}

/// Ends what takes too long, the reading of its body included.
async fn within(State(length): State<Length>, request: Request, next: Next) -> Result<Response, ApiError> {
    let times = request.extensions().get::<Times>().copied().unwrap_or_default();
    let longest = match length {
        Length::Usual => times.request,
        Length::Long => times.long_request,
    };
    timeout(longest, next.run(request)).await.map_err(|_| ApiError::TimedOut)
}

/// Routes and their rules, as they are added.
pub struct Routes {
    state: ApiState,
    router: Router<ApiState>,
    rules: Vec<Rule>,
    existing: Vec<(Method, &'static str, Access)>,
}

/// What was added: the router, the rules of what is described, and those of what the existing app asks for.
pub(super) type Parts = (Router<ApiState>, Vec<Rule>, Vec<(Method, &'static str, Access)>);

impl Routes {
    /// None yet.
    pub(super) fn new(state: ApiState) -> Routes {
        Routes { state, router: Router::new(), rules: Vec::new(), existing: Vec::new() }
    }

    /// What was added.
    pub(super) fn into_parts(self) -> Parts {
        (self.router, self.rules, self.existing)
    }

    /// Adds a GET or POST of the existing app: not part of the described interface, and possibly long. `OPTIONS` is
    /// answered as the app's platform asks before it sends a token.
    pub(super) fn existing<H, T>(mut self, method: Method, path: &'static str, access: Access, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        let filter = if method == Method::POST { MethodFilter::POST } else { MethodFilter::GET };
        let guarded = self.guarded(access, Length::Long, on(filter, handler));
        self.router = self.router.route(path, guarded.options(async || StatusCode::OK));
        self.existing.push((method, path, access));
        self
    }

    fn guarded(
        &self,
        access: Access,
        time: Length,
        handler: MethodRouter<ApiState, Infallible>,
    ) -> MethodRouter<ApiState, Infallible> {
        handler.route_layer(
            ServiceBuilder::new()
                .layer(from_fn_with_state((self.state.clone(), access), guard))
                .layer(from_fn_with_state(time, within)),
        )
    }

    /// Adds a GET (and HEAD).
    pub(super) fn get<H, T>(self, path: &'static str, access: Access, operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::GET, path, (access, operation), Length::Usual, on(MethodFilter::GET, handler))
    }

    /// Adds a GET that may take long.
    pub(super) fn long_get<H, T>(self, path: &'static str, access: Access, operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::GET, path, (access, operation), Length::Long, on(MethodFilter::GET, handler))
    }

    /// Adds a POST.
    pub(super) fn post<H, T>(self, path: &'static str, access: Access, operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::POST, path, (access, operation), Length::Usual, on(MethodFilter::POST, handler))
    }

    /// Adds a POST that may take long.
    pub(super) fn long_post<H, T>(self, path: &'static str, access: Access, operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::POST, path, (access, operation), Length::Long, on(MethodFilter::POST, handler))
    }

    /// Adds a PATCH.
    pub(super) fn patch<H, T>(self, path: &'static str, access: Access, operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::PATCH, path, (access, operation), Length::Usual, on(MethodFilter::PATCH, handler))
    }

    /// Adds a DELETE.
    pub(super) fn delete<H, T>(self, path: &'static str, access: Access, operation: Operation, handler: H) -> Routes
    where
        H: Handler<T, ApiState>,
        T: 'static,
    {
        self.add(Method::DELETE, path, (access, operation), Length::Usual, on(MethodFilter::DELETE, handler))
    }

    fn add(
        mut self,
        method: Method,
        path: &'static str,
        (access, operation): (Access, Operation),
        time: Length,
        handler: MethodRouter<ApiState, Infallible>,
    ) -> Routes {
        let guarded = self.guarded(access, time, handler);
        self.router = self.router.route(path, guarded);
        self.rules.push(Rule { method, path, access, operation });
        self
    }
}
