//! Who asks, and what they may do.

use quorate_model::{Generation, Refusal, UserName, codes};
use quorate_state::UserRole;

/// A logged-in person or program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The login name.
    pub user: UserName,
    /// What the user may do.
    pub role: UserRole,
    /// Until the password is changed, nothing else is allowed.
    pub must_change_password: bool,
    /// The newest reset that was known when the login was looked at; `None` where there is no
    /// login, as on the local socket.
    pub allowed_after: Option<Generation>,
}

/// What a use case needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// See everything but secrets.
    Read,
    /// Run operations and change settings.
    Operate,
    /// Change who and what belongs to the cluster.
    Administer,
}

impl Principal {
    /// Who calls through the local socket, which only root and the master's own user can open.
    ///
    /// # Errors
    /// None in fact: the name is a valid one.
    pub fn local_root() -> Result<Self, Refusal> {
        let user = UserName::new("root@local")
            .map_err(|error| Refusal::new(codes::INTERNAL, error.to_string()))?;
        let role = UserRole::Admin;
        Ok(Self { user, role, must_change_password: false, allowed_after: None })
    }

    /// The name under which changes are recorded.
    #[must_use]
    pub fn audit_name(&self) -> String {
        format!("user:{}", self.user)
    }

    /// Lets the principal through or says why not.
    ///
    /// # Errors
    /// When the role does not suffice, or the first password was not changed yet.
    pub fn require(&self, permission: Permission) -> Result<(), Refusal> {
        if self.must_change_password {
            return Err(Refusal::new(
                codes::PASSWORD_CHANGE_REQUIRED,
                format!("`{}` must change the password first", self.user),
            )
            .hint("quorate login, or POST /admin/api/auth/password"));
        }
        let needed = match permission {
            Permission::Read => UserRole::Viewer,
            Permission::Operate => UserRole::Operator,
            Permission::Administer => UserRole::Admin,
        };
        if self.role >= needed {
            return Ok(());
        }
        Err(Refusal::new(codes::FORBIDDEN, format!("`{}` may not do this", self.user))
            .cause(format!("it needs the role {needed:?}, and the user has {:?}", self.role))
            .hint("ask an administrator of the cluster"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(role: UserRole, must_change_password: bool) -> Principal {
        let user = UserName::new("ann").unwrap();
        Principal { user, role, must_change_password, allowed_after: None }
    }

    #[test]
    fn roles_allow_what_the_table_says() {
        use Permission::{Administer, Operate, Read};
        let table = [
            (UserRole::Viewer, [true, false, false]),
            (UserRole::Operator, [true, true, false]),
            (UserRole::Admin, [true, true, true]),
        ];
        for (role, allowed) in table {
            let seen = [Read, Operate, Administer]
                .map(|permission| principal(role, false).require(permission).is_ok());
            assert_eq!(seen, allowed, "{role:?}");
        }
    }

    #[test]
    fn the_local_root_may_do_everything() {
        let root = Principal::local_root().unwrap();
        assert_eq!(root.audit_name(), "user:root@local");
        assert_eq!(root.require(Permission::Administer), Ok(()));
    }

    #[test]
    fn nothing_is_allowed_before_the_first_password_is_changed() {
        let refusal = principal(UserRole::Admin, true).require(Permission::Read).unwrap_err();
        assert_eq!(refusal.code, codes::PASSWORD_CHANGE_REQUIRED);
    }
}
