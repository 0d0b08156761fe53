"""A page that recognises gestures in the browser alone: the network as JSON, the finder from npm, the page's files."""
