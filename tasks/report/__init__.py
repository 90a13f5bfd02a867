"""What people look at: previews and pages."""
