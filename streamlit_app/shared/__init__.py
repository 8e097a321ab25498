"""What the pages share: cached loaders, context, charts, components and small images."""
