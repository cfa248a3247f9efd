//! The admin port: REST and console, on TCP and on the local unix socket.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
};
use quorate_control::Control;
use quorate_model::{Refusal, codes};
use tokio::net::{TcpListener, UnixListener};
use tower::Layer as _;

use crate::{
    LeaderLink,
    proxy::{LONGEST_BODY, pass_on},
    rest::{self, Admin, context::LocalRoot, failure},
};

/// What the admin port serves besides REST.
pub struct AdminOptions {
    /// The control plane.
    pub control: Control,
    /// The way to the leader.
    pub leader: Arc<dyn LeaderLink>,
    /// The console's pages.
    pub console: Router,
}

/// Everything the admin port answers.
pub fn admin_router(options: AdminOptions) -> Router {
    let AdminOptions { control, leader, console } = options;
    let admin = Admin { control, leader, metrics: Arc::default() };
    let rest = Router::new()
        .nest("/admin/api", rest::routes())
        .route_layer(from_fn_with_state(admin.clone(), gate));
    let routes = rest
        .merge(rest::open_routes())
        .method_not_allowed_fallback(not_so)
        .with_state(admin.clone())
        .merge(console)
        .fallback(nothing_here);
    // Around all routes together: a layer of the router is around each route by itself, and is cloned
    // with every request.
    let passing_on = from_fn_with_state(admin.clone(), pass_on).layer(routes);
    let limited = DefaultBodyLimit::max(LONGEST_BODY).layer(passing_on);
    let named = from_fn(failure::with_request_id).layer(limited);
    Router::new().fallback_service(from_fn_with_state(admin, count).layer(named))
}

/// Until the cluster has been ready once, every route that needs a login answers 503 with the
/// unmet precondition.
async fn gate(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    // The doctor is for the moment when nothing is ready; then root on the host may ask, nobody
    // else, and so may a master that asks in its own name.
    let for_the_doctor = request.extensions().get::<LocalRoot>().is_some()
        && request.uri().path().trim_start_matches("/admin/api").starts_with("/doctor");
    if admin.control.readiness().is_open() || for_the_doctor {
        return next.run(request).await;
    }
    let live = admin.control.readiness().live();
    let cause = live.unmet.first().map_or_else(
        || "the last check has not run yet".to_owned(),
        |missing| format!("{}: {}", missing.name, missing.unmet),
    );
    let refusal = Refusal::new(codes::NOT_READY, "the cluster is starting")
        .cause(cause)
        .hint("wait; GET /readyz says what is missing");
    let mut response = failure::Failure::from(refusal).into_response();
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    response
}

async fn nothing_here(request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with(quorate_api::BASE_PATH) {
        let refusal = Refusal::new(codes::NOT_FOUND, format!("there is no route `{path}`"))
            .hint("GET /admin/api/openapi.json lists them");
        return failure::Failure::from(refusal).into_response();
    }
    (StatusCode::NOT_FOUND, Json(serde_json::json!({ "message": "there is nothing here" })))
        .into_response()
}

/// The path is a route, but not by this method.
async fn not_so(request: Request) -> Response {
    let (method, path) = (request.method(), request.uri().path());
    let refusal =
        Refusal::new(codes::REQUEST_MALFORMED, format!("`{path}` does not answer to {method}"))
            .hint("GET /admin/api/openapi.json lists what every path answers to");
    let mut response = failure::Failure::from(refusal).into_response();
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response
}

async fn count(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let begun = Instant::now();
    let mut response = next.run(request).await;
    admin.metrics.count(&method, response.status().as_u16(), begun.elapsed());
    let headers = response.headers_mut();
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Serves the admin port until `stop` resolves.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve_admin(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    use axum::serve::ListenerExt;
    // Without TCP_NODELAY a small answer can wait 40 ms for the peer's acknowledgement.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    // Handlers find the peer's address, for the log.
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}

/// Serves the local unix socket until `stop` resolves. Only the owner of the socket, the user
/// the master runs as, can open it; whoever can is an administrator.
///
/// # Errors
/// When the socket cannot be made or fails for good.
pub async fn serve_local(
    path: PathBuf,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = bind_private(&path)?;
    let router = router.layer(Extension(LocalRoot));
    let result = axum::serve(listener, router).with_graceful_shutdown(stop).await;
    // A socket nobody listens on would only mislead.
    let _ = std::fs::remove_file(&path);
    result
}

/// Binds the socket inside a folder of mode 0700, so that at no moment anybody else can open it.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
