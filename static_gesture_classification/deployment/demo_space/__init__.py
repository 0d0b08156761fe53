"""The recogniser as a folder for Gradio and for hosted endpoints; `app` and `handler` become files of that folder."""
