"""Copies of the crops at a URL or in another folder, in shards: to push, and to pull on another machine."""
