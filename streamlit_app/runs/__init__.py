"""The runs page: runs over time, two of them side by side, and which one is served."""
