"""AGN saliency."""
