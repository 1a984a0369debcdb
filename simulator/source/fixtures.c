/* fixtures.c: the device sets of the specification (S3), one line for each device. */
#include "world.h"

static const struct {
    int fixture;
    const char *description;
} fixtures[] = {
    {1, "uid=BuiltInSpeakerDevice; name=Simulated Speakers; maker=Simulated; model=sim:speakers; "
        "transport=built-in; out=2; rates=44100,48000,88200,96000; rate=44100; latency_out=28; "
        "safety_out=139; stream_latency_out=11; volume=channels; "
        "sources=ispk:Internal Speakers,hdpn:Headphones"},
    {2, "uid=BuiltInMicrophoneDevice; name=Simulated Microphone; model=sim:microphone; "
        "transport=built-in; in=1; rates=44100,48000,88200,96000; rate=48000; latency_in=19; "
        "safety_in=117; stream_latency_in=5; volume=master"},
    {3, "uid=USBDuplex:1; name=Simulated USB Duplex; model=sim:usb; transport=usb; in=2; out=2; "
        "rates=44100,48000,96000,192000; rate=48000; latency_in=42; latency_out=37; safety_in=64; "
        "safety_out=72; stream_latency_in=7; stream_latency_out=9; clock_domain=7; ppm=37; "
        "volume=master; formats=i24,i16,i24/32,i32,f32,i24!,i16!,i32!; serial_number=USB-0001; "
        "firmware=1.2; model_name=Duplex"},
    {4, "uid=MultiStream:2+2+8; name=Simulated Interface 2+2+8; model=sim:multistream; "
        "transport=thunderbolt; in=2,2,8; out=2,2,8; rates=44100,48000,88200,96000; rate=48000; "
        "buffer_range=32-2048; latency_in=25; latency_out=31; safety_in=24; safety_out=24; "
        "clock_domain=9; ppm=-11"},
    {5, "uid=MonoStreams:8; name=Simulated Mono Streams; model=sim:mono; transport=pci; "
        "in=1,1,1,1,1,1,1,1; out=1,1,1,1,1,1,1,1; rates=44100,48000,96000; rate=48000; "
        "latency_in=16; latency_out=16; safety_in=32; safety_out=32; ppm=4"},
    {6, "uid=04-5D-4B-00-00-01:input; name=Simulated Headset; model=sim:headset; "
        "transport=bluetooth; in=1; rates=24000; call_rate=24000; headset=04-5D-4B-00-00-01; "
        "latency_in=480; safety_in=240"},
    {6, "uid=04-5D-4B-00-00-01:output; name=Simulated Headset; model=sim:headset; "
        "transport=bluetooth; out=2; rates=48000; call_rate=24000; headset=04-5D-4B-00-00-01; "
        "latency_out=7200; safety_out=480; volume=master"},
    {7, "uid=HDMI:1; name=Simulated Display; model=sim:display; transport=hdmi; out=8; "
        "rates=44100,48000,88200,96000,176400,192000; rate=48000; latency_out=64; safety_out=96; "
        "formats=i24,i16,i24!,i16!"},
    {8,
     "uid=Loopback; name=Simulated Loopback; model=sim:loopback; transport=virtual; in=2; out=2; "
     "rates=8000-192000; rate=48000; latency_in=10; latency_out=20; safety_in=48; safety_out=60; "
     "stream_latency_in=3; stream_latency_out=6; loopback=1; volume=master"},
    {9, "uid=Aggregated:a; name=Simulated Interface A; model=sim:a; transport=usb; in=2; out=2; "
        "rates=44100,48000; rate=48000; ppm=21; safety_in=40; safety_out=40"},
    {9, "uid=Aggregated:b; name=Simulated Interface B; model=sim:b; transport=usb; in=1; out=2; "
        "rates=48000,96000; rate=96000; ppm=-34; safety_in=50; safety_out=50"},
    {10, "uid=Continuity; name=Simulated Phone Microphone; model=sim:phone; transport=continuity; "
         "in=1; rates=48000; latency_in=4800; flaps=6"},
    {11,
     "uid=VariableFrames; name=Simulated Variable; model=sim:variable; transport=usb; in=2; out=2; "
     "rates=44100,48000; rate=48000; variable=64; safety_in=80; safety_out=80; ppm=-150"},
    {12, "uid=SPDIF:1; name=Simulated Digital Output; model=sim:spdif; transport=built-in; out=2; "
         "rates=44100,48000,96000; rate=48000; latency_out=12; safety_out=48; "
         "formats=i24,i16,i24!,i16!,ac3"},
    {13, "uid=Hidden; name=Simulated Hidden; model=sim:hidden; transport=virtual; in=2; out=2; "
         "hidden=1; default=none"},
    {13, "uid=NoStreams; name=Simulated Nothing; model=sim:nothing; transport=usb; default=none"},
    {14, "uid=Names:missing; noname=1; transport=usb; out=2"},
    {14, "uid=Names:empty; name=; transport=usb; out=2"},
    {14,
     "uid=Names:unicode; name=Kopfh\xc3\xb6rer \xf0\x9f\x8e\xa7 \xe9\x9f\xb3; transport=bluetooth; "
     "out=2; in=1; model=sim:unicode; model_global_only=1"},
    {15, "uid=Twin:A; name=Simulated Twin; model=sim:twin; transport=usb; in=2; out=2"},
    {15, "uid=Twin:B; name=Simulated Twin; model=sim:twin; transport=usb; in=2; out=2"},
    {16, "uid=Hung; name=Simulated Hung; model=sim:hung; transport=usb; out=2; in=2; "
         "hang_start=forever; default=none"},
    {17, "uid=VoiceProcessing; name=Simulated Speakers; model=sim:vpio; transport=built-in; out=2; "
         "rates=44100,48000; rate=48000"},
    {18, "uid=OldRate; name=Simulated Slow Reporter; model=sim:old; transport=usb; in=2; out=2; "
         "rates=44100,48000,96000; reports_old_rate=1"},
    {22,
     "uid=Desk; name=Simulated Desk; model=sim:desk; model_name=Desk; serial_number=D-17; "
     "firmware=3.0; transport=usb; in=4; out=4; rates=44100,48000; rate=48000; volume=master; "
     "identify=1; channel_names=1; sources=main:Main Outputs,phon:Phones; "
     "controls=vlme:in:1,vlme:in:2,mute:in:1,solo:in:1,phan:in:1,phsi:in:1,clip:in:1,nlvl:in:1,"
     "hipf:in:1,jack:in:1,dsrc:in:0,span:in:1,talb:in:0,lsnb:in:0,vlme:out:1,vlme:out:2,span:out:1,"
     "jack:out:0,solo:out:0,subv:out:0,subm:out:0,clck:global:0,mute:thru:0,solo:thru:0,"
     "vlme:thru:0,span:thru:0,dest:thru:0,sldr:global:0"},
    {20, "uid=OutputOnly; name=Simulated Output; transport=usb; out=2"},
    {21, "uid=InputOnly; name=Simulated Input; transport=usb; in=2"},
};

EXPORT int sim_load_fixture(int number) {
    bool known = number == 19; /* fixture 19 has no devices */
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        if (fixtures[i].fixture == number) {
            known = true;
            if (sim_add_device(fixtures[i].description) == 0) {
                return -1;
            }
        }
    }
    if (number == 9) {
        static const char *const subs[2] = {"Aggregated:a", "Aggregated:b"};
        pthread_mutex_lock(&world.lock);
        aggregate_of_user_locked("Aggregate:1", "Simulated Aggregate", subs);
        pthread_mutex_unlock(&world.lock);
    }
    if (number == 23) {
        sim_add_clock_device("Clock:1", "Simulated Word Clock", 48000);
        return sim_add_box("Box:1", "Simulated Box", "uid=InBox; name=In the Box; in=2; out=2") != 0
                   ? 0
                   : -1;
    }
    if (number == 24) {
        uint32_t manager = sim_add_transport_manager("org.voicecoil.simulated.transport");
        sim_add_end_point(manager, "EndPoint:kitchen", "Simulated Kitchen", 0, 2);
        sim_add_end_point(manager, "EndPoint:garden", "Simulated Garden", 0, 2);
        return sim_add_end_point(manager, "EndPoint:door", "Simulated Door", 1, 0) != 0 ? 0 : -1;
    }
    if (!known) {
        report_line("sim_load_fixture: there is no fixture %d", number);
    }
    return known ? 0 : -1;
}
