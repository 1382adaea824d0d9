"""Suite files, and the plan that follows from one."""
