//! Where registrations outlive the process. (Skeleton.)
